--- Peers on a loop with deadlines, and functions that wait for responses, for the specs of the peer.

local jetd = require 'spec.support.jetd'
local loop = require 'spec.support.loop'
local peer = require 'jet.peer'
local wire = require 'spec.support.wire'

local support = {
  loop = loop.adapter,
  wait = loop.wait,
  idle = loop.idle,
  null = peer.null,
}

local peers = {}
local logged = {}

--- Keeps a line of the log of a peer; `cleanup` fails the test if there are any.
local function log(text)
  logged[#logged + 1] = tostring(text)
end

--- Returns a new peer of the shared daemon, on the loop of the specs. Lines in its log fail the test.
---@param config? jet.Config
---@return jet.Peer
function support.peer(config)
  config = config or {}
  local port = not (config.url or config.unix) and (config.port or jetd.shared().port) or nil
  local given = { port = port, loop = loop.adapter, log = log }
  for key, value in pairs(config) do
    given[key] = value
  end
  local made = peer.new(given)
  peers[#peers + 1] = made
  return made
end

--- Returns a new peer that is connected.
---@param config? jet.Config
---@return jet.Peer
function support.connected(config)
  local given, up = {}, false
  for key, value in pairs(config or {}) do
    given[key] = value
  end
  function given.on_connect(...)
    up = true
    if config and config.on_connect then
      return config.on_connect(...)
    end
  end
  local made = support.peer(given)
  loop.wait(function() return up end, 'the connection')
  return made
end

--- Returns two connected peers.
---@return jet.Peer
---@return jet.Peer
function support.pair()
  return support.connected(), support.connected()
end

--- Returns a function that records its calls: `calls[i] = {n = count, ...}`.
---@return table recorder callable
function support.recorder()
  return setmetatable({}, {
    __call = function(self, ...)
      self[#self + 1] = { n = select('#', ...), ... }
    end,
  })
end

--- Returns a condition for `wait`: that a list has so many entries.
---@param list table
---@param n integer
---@return fun(): boolean
function support.count(list, n)
  return function() return #list >= n end
end

--- Makes a request and waits for its response.
---@param ask fun(callbacks: table) makes the request with the callbacks
---@param options? table more for the table of callbacks
---@return string kind 'success' or 'error'
---@return any value the argument of the callback
---@return integer count the number of arguments
function support.outcome(ask, options)
  local kind, value, count
  local callbacks = {
    success = function(...)
      assert(not kind, 'answered twice')
      kind, value, count = 'success', (...), select('#', ...)
    end,
    error = function(...)
      assert(not kind, 'answered twice')
      kind, value, count = 'error', (...), select('#', ...)
    end,
  }
  for key, option in pairs(options or {}) do
    callbacks[key] = option
  end
  ask(callbacks)
  loop.wait(function() return kind end, 'an answer')
  return kind, value, count
end

--- Makes a request and returns its result; fails if it is an error.
---@param ask fun(callbacks: table)
---@param options? table
---@return any
function support.result(ask, options)
  local kind, value = support.outcome(ask, options)
  if kind ~= 'success' then
    error('refused: ' .. tostring(value.message), 2)
  end
  return value
end

--- Makes a request and returns its error; fails if it succeeds.
---@param ask fun(callbacks: table)
---@param options? table
---@return table
function support.refusal(ask, options)
  local kind, value = support.outcome(ask, options)
  if kind ~= 'error' then
    error('succeeded', 2)
  end
  return value
end

--- Waits until the daemon has handled everything that the peers have sent, and the peers its messages.
---@param ... jet.Peer
function support.settle(...)
  for _ = 1, 2 do
    for _, each in ipairs { ... } do
      support.refusal(function(callbacks)
        each:remove('no such path', callbacks)
      end)
    end
  end
end

--- Adds a state and a fetcher of it.
---@param owner jet.Peer
---@param other jet.Peer fetches
---@param description table of the state
---@return jet.State
---@return table events a recorder, the add in it
function support.watched(owner, other, description)
  local state
  support.result(function(callbacks) state = owner:state(description, callbacks) end)
  local events = support.recorder()
  support.result(function(callbacks)
    other:fetch({ path = { equals = description.path } }, events, callbacks)
  end)
  loop.wait(support.count(events, 1), 'the add')
  return state, events
end

local paths = 0

--- Returns a path prefix that no other test uses.
---@return string
function support.prefix()
  paths = paths + 1
  return ('spec%d/'):format(paths)
end

--- Returns a function for `before_each` that connects two peers and hands them over with a prefix for paths.
---@param use fun(owner: jet.Peer, other: jet.Peer, prefix: string)
---@return fun()
function support.setup(use)
  return function()
    local owner, other = support.pair()
    use(owner, other, support.prefix())
  end
end

--- Checks that a call raises a string at a line inside of `f` that matches the pattern.
---@param f function
---@param pattern string
function support.raises_here(f, pattern)
  local ok, raised = pcall(f)
  if ok then
    error('nothing was raised', 2)
  elseif type(raised) ~= 'string' then
    error(('a %s was raised: %s'):format(type(raised), tostring(raised)), 2)
  end
  local info = debug.getinfo(f, 'S')
  local source, line, text = raised:match '^(.-):(%d+): (.*)$'
  line = tonumber(line)
  if source ~= info.short_src or line < info.linedefined or line > info.lastlinedefined then
    error(('not at lines %d to %d: %s'):format(info.linedefined, info.lastlinedefined, raised), 2)
  end
  if not text:find(pattern) then
    error(("no '%s' in: %s"):format(pattern, text), 2)
  end
end

--- Returns the log so far, which then does not fail the test.
---@return string[]
function support.take_log()
  local taken = logged
  logged = {}
  return taken
end

--- Waits for a line in the log that matches.
---@param pattern string
---@return string
function support.wait_log(pattern)
  local found
  loop.wait(function()
    for index, text in ipairs(logged) do
      if not found and text:find(pattern) then
        found = table.remove(logged, index)
      end
    end
    return found
  end, "'" .. pattern .. "' in the log")
  return found
end

--- Closes everything that a test has opened, for `after_each`.
function support.cleanup()
  for _, each in ipairs(peers) do
    pcall(each.close, each)
  end
  peers = {}
  loop.idle(0)
  wire.cleanup()
  local unexpected = support.take_log()
  if #unexpected > 0 then
    error('unexpected in the log: ' .. table.concat(unexpected, '\n'), 0)
  end
end

return support
