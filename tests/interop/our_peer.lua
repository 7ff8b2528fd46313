--- Our peer as a process that reads commands from stdin. Commands and responses are one JSON object per line;
-- foreign-peer.mjs understands the same commands.

local jet = require 'jet'
local loop = require('jet.loop').resolve('builtin')

local STDIN = 0
local port, peer, url
local elements, fetchers = {}, {}

---@param message table
local function say(message)
  local text = assert(jet.encode(message))
  io.stdout:write(text, '\n')
  io.stdout:flush()
end

---@param id integer
---@return jet.Callbacks
local function answer(id)
  return {
    success = function(result)
      say { id = id, result = result == nil and jet.null or result }
    end,
    error = function(err)
      say { id = id, error = type(err) == 'table' and err or { message = tostring(err) } }
    end,
  }
end

-- The behaviours of an element when it is set or called.
local behaviours = {
  any = { set = function() end },
  adjust = { set = function(requested) return requested * 2 end },
  refuse = { set = function() error('no thanks', 0) end },
  readonly = {},
  echo = {
    call = function(...)
      return { got = select('#', ...) == 1 and type((...)) == 'table' and (...) or jet.array { ... } }
    end,
  },
  done = { call = function() end },
  fail = { call = function() error('no thanks', 0) end },
  silent = { call_async = function() end },
}

--- Keeps the window of a sorted fetch and reports all of it.
---@param fetch integer
---@param from integer
---@return fun(changes: table[], n: integer)
local function window(fetch, from)
  local entries = {}
  return function(changes, n)
    for _, change in ipairs(changes) do
      entries[change.index - from + 1] = { change.path, change.value == nil and jet.null or change.value }
    end
    local list = jet.array {}
    for rank = 1, n do
      list[rank] = entries[rank]
    end
    say { fetch = fetch, sorted = list }
  end
end

local commands = {}

function commands.connect(details)
  local given = {
    loop = loop,
    log = function(text) io.stderr:write(tostring(text), '\n') end,
    user = details.user,
    password = details.password,
    on_connect = function(connected)
      local info = connected:info()
      say { id = details.id, result = { authentication = info.authentication, groups = info.groups } }
    end,
    on_close = function(_, reason, err)
      say { id = details.id, error = err or { message = reason } }
    end,
  }
  if details.transport == 'ws' then
    url = 'ws://127.0.0.1:' .. ('%d'):format(details.ports.ws)
    given.url = url
  else
    port = details.ports.tcp
    given.port = port
  end
  peer = jet.new(given)
end

function commands.add(details)
  local desc = { path = details.path, value = details.value, access = details.access }
  for key, handler in pairs(behaviours[details.behaviour]) do
    desc[key] = handler
  end
  local make = (desc.call or desc.call_async) and peer.method or peer.state
  elements[details.path] = make(peer, desc, answer(details.id))
end

function commands.change(details)
  elements[details.path]:value(details.value)
  say { id = details.id, result = true }
end

function commands.remove(details)
  elements[details.path]:remove(answer(details.id))
end

--- Returns the callbacks with the options of a set or call.
---@param details table
---@return jet.Callbacks
local function options(details)
  local callbacks = answer(details.id)
  for key, value in pairs(details.options or {}) do
    callbacks[key] = value
  end
  return callbacks
end

function commands.set(details)
  peer:set(details.path, details.value, options(details))
end

function commands.call(details)
  peer:call(details.path, details.args, options(details))
end

function commands.fetch(details)
  local sort = details.expression.sort
  local take = sort and window(details.fetch, sort.from) or function(path, event, value)
    say { fetch = details.fetch, path = path, event = event, value = value }
  end
  fetchers[details.fetch] = peer:fetch(details.expression, take, answer(details.id))
end

function commands.unfetch(details)
  fetchers[details.fetch]:unfetch(answer(details.id))
end

function commands.get(details)
  local blocking = jet.new { sync = true, url = url, port = port }
  local value = blocking:get(details.path)
  blocking:close()
  say { id = details.id, result = jet.array { value } }
end

-- Lines that arrived together stay in the descriptor, where the loop sees them.
io.stdin:setvbuf('no')
loop.watch(STDIN, 'r', function()
  local line = io.stdin:read('*l')
  if not line then
    os.exit(0)
  end
  local details = assert(jet.decode(line))
  local ok, raised = pcall(commands[details.command], details)
  if not ok then
    say { id = details.id, error = { message = tostring(raised) } }
  end
end)
loop.run()
