--- The blocking peer (`sync = true`): each call waits for the response and returns the result or raises the error.
--
-- It sends requests with the methods of `jet.async` and needs no loop. Requests for its own states and methods are
-- handled while it waits: during the next call of any kind, or in `serve`.

local caller = require 'jet.caller'
local check = require 'jet.check'
local core = require 'jet.core'
local Driver = require 'jet.driver'
local errors = require 'jet.errors'
local Peer = require 'jet.async'

---@class jet.SyncPeer
---@field _driver jet.Driver
---@field _timeout number|nil seconds
local SyncPeer = {}
SyncPeer.__index = SyncPeer

-- The adapter of a loop that watches nothing: the peer waits for its connection directly.
local blocking = {
  watch = function() end,
  after = function(_, callback)
    callback()
    return function() end
  end,
  run = function() end,
  stop = function() end,
}

--- Handles input until `done()` is true. Returns false if the connection ends or the time is over before that.
---@param self jet.SyncPeer
---@param done fun(): boolean
---@param seconds number|nil
---@return boolean
local function wait(self, done, seconds)
  local driver = self._driver
  local deadline = seconds and core.now() + seconds
  while not done() do
    if driver.closed then
      return false
    end
    local left = deadline and deadline - core.now()
    if left and left <= 0 then
      return false
    end
    -- Without a loop nothing else flushes: neither while a handler of this peer waits nor after `state:value(new)`.
    driver:flush()
    driver.engine:wait(left)
    driver:ready(true, true)
  end
  return true
end

--- Sends a request, waits for the response and returns its result. Raises its error.
---@param self jet.SyncPeer
---@param send fun(callbacks: jet.Callbacks): any sends the request
---@param timeout? number seconds for the daemon
---@return any result
---@return any sent what `send` returned
local function await(self, send, timeout)
  local done, result, failure = false, nil, nil
  local sent = send {
    timeout = timeout or nil,
    success = function(value)
      done, result = true, value
    end,
    error = function(err)
      done, failure = true, err
    end,
  }
  if not wait(self, function() return done end, self._timeout) and not done then
    failure = self._driver.closed and errors.closed() or errors.new(-32000, 'no response in time')
  end
  if type(failure) == 'string' then
    -- Earlier daemons send errors as plain strings.
    caller.fail(failure)
  elseif failure ~= nil then
    error(failure, 0)
  end
  return result, sent
end

--- Calls a method and returns its result.
---@param path string
---@param args? any as for `jet.Peer:call`
---@param timeout? number seconds the method may take, default 5
---@return any
function SyncPeer:call(path, args, timeout)
  check.self(self, 'call')
  check.type(path, 'string', 'path', 'call')
  check.seconds(timeout, 'timeout', 'call')
  return (await(self, function(callbacks)
    Peer.call(self, path, args, callbacks)
  end, timeout))
end

--- Sets a state and returns `true`, or the new value if `value_as_result`.
---@param path string
---@param value any
---@param timeout? number seconds the owner may take, default 5
---@param value_as_result? boolean
---@return any
function SyncPeer:set(path, value, timeout, value_as_result)
  check.self(self, 'set')
  check.type(path, 'string', 'path', 'set')
  check.seconds(timeout, 'timeout', 'set')
  return (await(self, function(callbacks)
    callbacks.valueAsResult = value_as_result and true
    Peer.set(self, path, value, callbacks)
  end, timeout))
end

--- Changes the configuration of this connection at the daemon.
---@param params table
---@param timeout? number seconds
---@return any
function SyncPeer:config(params, timeout)
  check.self(self, 'config')
  check.seconds(timeout, 'timeout', 'config')
  return (await(self, function(callbacks)
    Peer.config(self, params, callbacks)
  end, timeout))
end

--- Adds a state; see `jet.Peer:state`.
---@param desc jet.StateDescription
---@param timeout? number seconds later requests for the state may take
---@return jet.State
function SyncPeer:state(desc, timeout)
  check.self(self, 'state')
  check.seconds(timeout, 'timeout', 'state')
  local _, state = await(self, function(callbacks)
    return Peer.state(self, desc, callbacks)
  end, timeout)
  return state
end

--- Adds a method; see `jet.Peer:method`.
---@param desc jet.MethodDescription
---@param timeout? number seconds later calls of the method may take
---@return jet.Method
function SyncPeer:method(desc, timeout)
  check.self(self, 'method')
  check.seconds(timeout, 'timeout', 'method')
  local _, method = await(self, function(callbacks)
    return Peer.method(self, desc, callbacks)
  end, timeout)
  return method
end

--- Fetches once and returns all that matches now, in the order of the sort if there is one.
---@param expression string|table as for `jet.Peer:fetch`
---@return {path: string, value: any, index: integer|nil}[]
function SyncPeer:fetch(expression, ...)
  check.self(self, 'fetch')
  if (...) then
    check.fail("bad argument 'callback' to 'fetch' (a peer with sync = true returns a list instead of calling back: "
      .. 'for _, item in ipairs(peer:fetch(expression)) do ... end; for a live query make a peer without sync)')
  end
  local list = {}
  local sorted = type(expression) == 'table' and expression.sort
  local function collect(first, second, value)
    if sorted then
      list = first
    elseif second == 'add' then
      list[#list + 1] = { path = first, value = value }
    end
  end
  local _, fetcher = await(self, function(callbacks)
    return Peer.fetch(self, expression, collect, callbacks)
  end)
  -- All that matched at the time of the fetch comes before this is answered, whatever the answer is.
  local driver = self._driver
  await(self, function(callbacks)
    local function settled(err)
      local ended = driver.closed and callbacks.error or callbacks.success
      ended(err)
    end
    local id, message = driver.engine:settle()
    if not id then
      error(driver.closed and errors.closed() or message, 0)
    end
    driver:sent(id, { success = callbacks.success, error = settled })
  end)
  fetcher:unfetch()
  return list
end

--- Returns the value of one state.
---@param path string
---@return any value nil if there is no state of that path
function SyncPeer:get(path)
  check.self(self, 'get')
  check.type(path, 'string', 'path', 'get')
  local list = SyncPeer.fetch(self, { path = { equals = path } })
  return list[1] and list[1].value
end

--- Handles the requests of other peers for the elements of this peer.
---@param seconds? number how long; without it, only requests that have arrived already
function SyncPeer:serve(seconds)
  check.self(self, 'serve')
  check.seconds(seconds, 'seconds', 'serve')
  wait(self, function() return false end, seconds or 0.001)
end

--- Closes the connection.
function SyncPeer:close()
  check.self(self, 'close')
  self._driver:flush()
  self._driver:close('closed')
end

local sync = {}

--- Gives an error object a text with the line of the program, for programs that do not catch it.
---@param err table
---@param message string
---@return table
local function with_text(err, message)
  local text = caller.position() .. message
  return setmetatable(err, { __tostring = function() return text end })
end

--- Makes a blocking peer and waits for its connection. Raises if there is none.
---@param engine userdata from `core.peer`
---@param given jet.Config
---@return jet.SyncPeer
function sync.new(engine, given)
  local driver = Driver.new(engine, blocking, given)
  -- Blocking peers have no `on_connect`, and `fetch` expects the path first.
  driver.on_connect, driver.event_first = nil, nil
  driver.blocking = true
  local self = setmetatable({ _driver = driver, _timeout = given.timeout }, SyncPeer)
  driver.peer = self
  driver:start()
  wait(self, function() return driver.up end, nil)
  if driver.up then
    return self
  end
  local message = ('could not connect to jetd with ip:port %s (%s)'):format(engine:target(), tostring(driver.closed))
  if driver.refusal then
    error(with_text(driver.refusal, message), 0)
  end
  caller.fail(message)
end

return sync
