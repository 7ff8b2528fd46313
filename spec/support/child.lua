--- Lua programs in processes of their own, run by the same interpreter as the specs.

local child = {}

-- Seconds a program may take; the specs fail long before.
local PATIENCE = 30

--- Returns the interpreter that runs this.
local function interpreter()
  local lowest = 0
  while arg and arg[lowest - 1] do
    lowest = lowest - 1
  end
  return arg and arg[lowest] or os.getenv 'LUA' or 'lua'
end

child.interpreter = interpreter()

local function write(code)
  local name = os.tmpname()
  local file = assert(io.open(name, 'w'))
  file:write(code)
  file:close()
  return name
end

local function arguments(...)
  local list = {}
  for index = 1, select('#', ...) do
    list[index] = ("'%s'"):format(tostring((select(index, ...))))
  end
  return table.concat(list, ' ')
end

--- Runs a program to its end.
---@param code string gets `...`
---@param ... any arguments
---@return integer status as the shell has it: 128 + n when signal n ended it, 124 when it took too long
---@return string output both of it
function child.run(code, ...)
  local name = write(code)
  local command = ('timeout %d %s %s %s 2>&1; echo "status $?"')
  local pipe = assert(io.popen(command:format(PATIENCE, child.interpreter, name, arguments(...))))
  local output = pipe:read '*a'
  pipe:close()
  os.remove(name)
  local text, status = output:match '^(.*)status (%d+)%s*$'
  return tonumber(status), text
end

--- Starts a program that is ended by `stop()`, or when this process ends.
---@param code string gets `...`
---@param ... any arguments
---@return table process `stop()`
function child.start(code, ...)
  local name = write(code)
  local script = [[
    exec 3<&0
    %s %s %s </dev/null &
    child=$!
    read line <&3
    kill -KILL $child 2>/dev/null
    wait $child 2>/dev/null
  ]]
  local pipe = assert(io.popen(script:format(child.interpreter, name, arguments(...)), 'w'))
  local process = {}

  --- Ends the program and waits for that.
  function process.stop()
    if pipe then
      pipe:close()
      pipe = nil
      os.remove(name)
    end
  end
  return process
end

return child
