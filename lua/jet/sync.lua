--- The blocking peer (`sync = true`): each call waits for its answer and returns or raises it.
--
-- It needs no loop. Requests of others for its states and methods are handled while it waits,
-- so an element of a blocking peer answers during the next call of any kind, or in `serve`.

local access = require 'jet.access'
local check = require 'jet.check'
local core = require 'jet.core'
local Driver = require 'jet.driver'
local errors = require 'jet.errors'
local Fetcher = require 'jet.fetcher'
local keys = require 'jet.keys'
local Method = require 'jet.method'
local State = require 'jet.state'

---@class jet.SyncPeer
---@field _driver jet.Driver
---@field _timeout number|nil seconds
local SyncPeer = {}
SyncPeer.__index = SyncPeer

-- There is no loop to watch anything: the connection is waited for directly.
local blocking = {
  watch = function() end,
  after = function(_, callback)
    callback()
    return function() end
  end,
  run = function() end,
  stop = function() end,
}

--- Waits until `done()` or the deadline.
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
    -- Nobody else will: not while a handler of this peer waits, nor after a change was posted.
    driver:flush()
    driver.engine:wait(left)
    driver:ready(true, true)
  end
  return true
end

--- Waits for one answer and returns it, or raises the error at the program's line.
---@param self jet.SyncPeer
---@param send fun(callbacks: jet.Callbacks): any what sends the request
---@param timeout number|nil seconds for the daemon
---@param depth integer functions of ours between here and the program's code
---@return any result
---@return any sent what `send` returned
local function answer(self, send, timeout, depth)
  local done, result, failure = false, nil, nil
  local callbacks = {
    timeout = timeout,
    success = function(value)
      done, result = true, value
    end,
    error = function(err)
      done, failure = true, err
    end,
  }
  local sent = send(callbacks)
  if not wait(self, function() return done end, self._timeout) and not done then
    failure = self._driver.closed and errors.closed() or errors.new(-32000, 'no answer in time')
  end
  if failure ~= nil then
    error(failure, depth + 2)
  end
  return result, sent
end

--- Sends a request whose params are staged.
---@param driver jet.Driver
---@param callbacks jet.Callbacks
---@param id integer|nil
---@param message string|nil
---@param depth integer
local function sent(driver, callbacks, id, message, depth)
  if not id then
    error(driver.closed and errors.closed() or message, depth + 2)
  end
  driver:sent(id, callbacks)
end

--- Checks the timeout argument that many functions take.
---@param timeout any
---@param func string
---@return number|nil
local function check_timeout(timeout, func)
  check.seconds(timeout, 'timeout', func, 1)
  return timeout or nil
end

--- Calls a method and returns its result.
---@param path string
---@param args? any as for `jet.Peer:call`
---@param timeout? number seconds the method may take, default 5
---@return any
function SyncPeer:call(path, args, timeout)
  check.self(self, 'call')
  check.type(path, 'string', 'path', 'call')
  args = args or {}
  timeout = check_timeout(timeout, 'call')
  local driver = self._driver
  local staged, message = driver:stage(args, 'args')
  if not staged then
    error(message, 2)
  end
  local result = answer(self, function(callbacks)
    local id, reason = driver.engine:call(path, staged, true, timeout)
    sent(driver, callbacks, id, reason, 2)
  end, timeout, 1)
  return result
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
  timeout = check_timeout(timeout, 'set')
  local driver = self._driver
  local staged, message
  if value ~= nil then
    staged, message = driver:stage(value, 'value')
  end
  if message then
    error(message, 2)
  end
  local result = answer(self, function(callbacks)
    local id, reason = driver.engine:set(path, staged, true, timeout, value_as_result and true or false)
    sent(driver, callbacks, id, reason, 2)
  end, timeout, 1)
  return result
end

--- Changes the configuration of this connection at the daemon.
---@param params table
---@param timeout? number seconds
---@return any
function SyncPeer:config(params, timeout)
  check.self(self, 'config')
  check.type(params, 'table', 'params', 'config')
  timeout = check_timeout(timeout, 'config')
  local driver = self._driver
  local staged, message = driver:stage(params, 'params')
  if not staged then
    error(message, 2)
  end
  local result = answer(self, function(callbacks)
    local id, reason = driver.engine:request('config', staged, true, timeout)
    sent(driver, callbacks, id, reason, 2)
  end, timeout, 1)
  return result
end

--- Adds a state; see `jet.Peer:state`.
---@param desc jet.StateDescription
---@param timeout? number seconds later requests for the state may take
---@return jet.State
function SyncPeer:state(desc, timeout)
  check.self(self, 'state')
  check.type(desc, 'table', 'desc', 'state')
  check.type(desc.path, 'string', 'desc.path', 'state')
  access.check(desc.access, 'state')
  keys.check_description(self._driver, desc, 'state')
  check.callback(desc, 'set', 'desc', 'state')
  check.callback(desc, 'set_async', 'desc', 'state')
  timeout = check_timeout(timeout, 'state')
  local _, state = answer(self, function(callbacks)
    local made = State.new(self._driver, desc, callbacks, 3)
    return made
  end, timeout, 1)
  return state
end

--- Adds a method; see `jet.Peer:method`.
---@param desc jet.MethodDescription
---@param timeout? number seconds later calls of the method may take
---@return jet.Method
function SyncPeer:method(desc, timeout)
  check.self(self, 'method')
  check.type(desc, 'table', 'desc', 'method')
  check.type(desc.path, 'string', 'desc.path', 'method')
  access.check(desc.access, 'method')
  keys.check_description(self._driver, desc, 'method')
  check.callback(desc, 'call', 'desc', 'method')
  check.callback(desc, 'call_async', 'desc', 'method')
  if not (desc.call or desc.call_async) then
    check.fail("invalid method desc '" .. desc.path .. "': neither call nor call_async", 1)
  end
  timeout = check_timeout(timeout, 'method')
  local _, method = answer(self, function(callbacks)
    local made = Method.new(self._driver, desc, callbacks, 3)
    return made
  end, timeout, 1)
  return method
end

--- Fetches once: all that matches now, in the order of the sort if there is one.
---@param expression string|table as for `jet.Peer:fetch`
---@return {path: string, value: any, index: integer|nil}[]
function SyncPeer:fetch(expression)
  check.self(self, 'fetch')
  check.type(expression, 'string|table', 'expression', 'fetch')
  local list = {}
  local sorted = type(expression) == 'table' and expression.sort
  local function collect(first, second, value)
    if sorted then
      list = first
    elseif second == 'add' then
      list[#list + 1] = { path = first, value = value }
    end
  end
  local _, fetcher = answer(self, function(callbacks)
    local made = Fetcher.new(self._driver, expression, collect, callbacks, 3)
    return made
  end, nil, 1)
  -- All that matched at the time of the fetch comes before this is answered, whatever the answer is.
  local driver = self._driver
  answer(self, function(callbacks)
    local function settled(err)
      local ended = driver.closed and callbacks.error or callbacks.success
      ended(err)
    end
    local id, message = driver.engine:settle()
    sent(driver, { success = callbacks.success, error = settled }, id, message, 2)
  end, nil, 1)
  fetcher:unfetch()
  return list
end

--- The value of one state.
---@param path string
---@return any value nil if there is no state of that path
function SyncPeer:get(path)
  check.self(self, 'get')
  check.type(path, 'string', 'path', 'get')
  local ok, list = pcall(self.fetch, self, { path = { equals = path } })
  if not ok then
    error(list, 2)
  end
  return list[1] and list[1].value
end

--- Handles requests of others for the elements of this peer.
---@param seconds? number how long; without, what has come already
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

--- Gives an error object a text, for programs that do not catch it, with the line of the program.
---@param err table
---@param message string
---@param depth integer
---@return table
local function with_text(err, message, depth)
  local _, text = pcall(error, message, depth + 3)
  return setmetatable(err, { __tostring = function() return text end })
end

--- Makes a blocking peer and waits for its connection.
---@param options table for the engine
---@param given jet.Config
---@param depth integer functions of ours between here and the program's code
---@return jet.SyncPeer|nil
---@return string|nil message
---@return table|nil err instead of the message, if the daemon refuses the login
function sync.new(options, given, depth)
  local driver, message = Driver.new(options, blocking, { log = given.log, on_close = given.on_close })
  if not driver then
    return nil, message
  end
  driver.blocking = true
  local self = setmetatable({ _driver = driver, _timeout = given.timeout }, SyncPeer)
  driver.peer = self
  driver:start()
  wait(self, function() return driver.up end, nil)
  if not driver.up then
    local where = options.url or options.unix or ('%s:%d'):format(options.host, options.port)
    message = ('could not connect to jetd with ip:port %s (%s)'):format(where, tostring(driver.closed))
    return nil, message, driver.refusal and with_text(driver.refusal, message, depth + 1)
  end
  return self
end

return sync
