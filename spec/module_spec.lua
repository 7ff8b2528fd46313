--- The library in unmodified interpreters: loaded in a coroutine that ends, loaded
-- again, with errors raised through it, and with the Lua state closed around it.
-- Each case is a program of its own, run by the interpreter that runs this file.

--- Returns the interpreter's own command, as a shell word.
local function interpreter()
  local first = 0
  while arg and arg[first - 1] do
    first = first - 1
  end
  if first < 0 then
    return "'" .. arg[first] .. "'"
  end
  -- Lua 5.1 and 5.2 know their command only while they run a script.
  return jit and 'luajit' or 'lua' .. _VERSION:match '%d.%d'
end

--- Runs a program; gives what it printed, errors included, and whether it ended well.
local function run(program)
  local path = os.tmpname()
  local file = assert(io.open(path, 'w'))
  file:write(program)
  file:close()
  local pipe = assert(io.popen(('%s %s 2>&1; echo "status $?"'):format(interpreter(), path)))
  local output = pipe:read '*a'
  pipe:close()
  os.remove(path)
  local printed, status = output:match '^(.-)status (%d+)\n$'
  return printed, status == '0'
end

--- Checks what a program prints when it ends well.
local function prints(expected, program)
  local printed, well = run(program)
  assert.are.equal(expected, printed)
  assert.is_true(well)
end

-- Closes the state at the end of the program where Lua has a way to do so.
local CLOSE = 'if _VERSION ~= "Lua 5.1" then os.exit(0, true) end\n'

describe('the module', function()
  it('is loaded by the interpreter itself', function()
    prints('[1]\n', "print(require 'jet.core'.encode { 1 })")
  end)

  it('outlives the coroutine that loaded it', function()
    prints('[1,[]] 2\n', [==[
      local core = coroutine.wrap(function() return require 'jet.core' end)()
      local waste = {}
      for i = 1, 10 do
        collectgarbage()
        waste[i] = coroutine.create(function() end)
      end
      local value = coroutine.wrap(function() return core.decode '[1,[]]' end)()
      collectgarbage()
      io.write(core.encode(value), ' ', coroutine.wrap(function() return #value end)(), '\n')
    ]==] .. CLOSE)
  end)

  it('may be loaded again, and agrees with itself on arrays', function()
    prints('[[],[]]\ntrue\n', [==[
      local first = require 'jet.core'
      package.loaded['jet.core'] = nil
      local second = require 'jet.core'
      print(first.encode { second.array {}, second.decode '[]' })
      print(first.null == second.null)
      first = nil
      collectgarbage()
      collectgarbage()
      assert(second.encode(second.decode '[[]]') == '[[]]')
    ]==] .. CLOSE)
  end)

  it('raises errors that are strings, with the line of the caller', function()
    prints("string\ttrue\n", [==[
      local core = require 'jet.core'
      local ok, message = pcall(function() core.array(5) end)
      print(type(message), not ok and message:match ':2:.*table expected' ~= nil)
    ]==])
  end)

  it('survives errors raised through it in a coroutine', function()
    prints('ok\n', [==[
      local core = require 'jet.core'
      for i = 1, 1000 do
        local routine = coroutine.create(function() core.array(5) end)
        assert(not coroutine.resume(routine))
        assert(not core.encode { print })
      end
      collectgarbage()
      assert(core.encode { 1 } == '[1]')
      print 'ok'
    ]==] .. CLOSE)
  end)

  it('lets a finaliser use it, also while the state is closed', function()
    prints('ok\n', [==[
      local core = require 'jet.core'
      local function finish() core.encode(core.decode '[1,"\\n"]') end
      local function finalised()
        if newproxy then
          local proxy = newproxy(true)
          getmetatable(proxy).__gc = finish
          return proxy
        end
        return setmetatable({}, { __gc = finish })
      end
      KEPT = { finalised() }
      for i = 1, 2000 do
        finalised()
        assert(core.encode(core.decode '{"a":["\\u0041",2]}') == '{"a":["A",2]}')
      end
      LATE = finalised()
      print 'ok'
    ]==] .. CLOSE)
  end)

  it('gives staged values numbers that do not repeat', function()
    prints('true\ttrue\n', [==[
      local core = require 'jet.core'
      local seen, again = {}, false
      for i = 1, 100 do
        local number = core.stage(i)
        again = again or seen[number]
        seen[number] = true
      end
      local number, message = core.stage { print }
      print(not again, number == nil and message == 'value[1]: cannot send a function')
    ]==] .. CLOSE)
  end)

  it('keeps no memory of values', function()
    prints('ok\n', [==[
      local core = require 'jet.core'
      local text = '[' .. ('{"a":[1,2,"x\\n"]},'):rep(1000) .. '1]'
      local function round() core.encode(core.decode(text)) end
      for i = 1, 20 do round() end
      collectgarbage() collectgarbage()
      local before = collectgarbage 'count'
      for i = 1, 200 do round() end
      collectgarbage() collectgarbage()
      assert(collectgarbage 'count' < before + 100, 'leak')
      print 'ok'
    ]==])
  end)

  it('says which Lua it was built for when another one loads it', function()
    for _, name in ipairs { 'lua5.4', 'lua5.1' } do
      local pipe = io.popen(name .. ' -e "print(_VERSION) print(pcall(require, [[jet]]))" 2>&1')
      local output = pipe:read '*a'
      pipe:close()
      local version = output:match '^Lua %d%.%d'
      if version and version ~= _VERSION then
        local expected = ('was built for %s, but this is %s'):format(_VERSION, version)
        assert.is_truthy(output:find(expected, 1, true), output)
        return
      end
    end
    pending 'there is no other Lua'
  end)
end)
