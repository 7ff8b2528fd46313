--- The peer object of asynchronous programs: checks arguments, sends requests and keeps their callbacks.
--
-- The blocking peer of `jet.sync` calls the same methods. The connection is in `jet.driver`; states, methods and
-- fetchers are in their own files.

local check = require 'jet.check'
local core = require 'jet.core'
local errors = require 'jet.errors'
local Fetcher = require 'jet.fetcher'
local keys = require 'jet.keys'
local Method = require 'jet.method'
local RawElement = require 'jet.raw_element'
local State = require 'jet.state'

local SIGINT, SIGQUIT = 2, 3

-- The largest signal number of Linux. A system with fewer refuses the others itself.
local LAST_SIGNAL = 64

---@class jet.Peer
---@field _driver jet.Driver
local Peer = {}
Peer.__index = Peer

--- Closes the connection. The daemon removes the states, methods and fetchers of this peer. Then the loop calls `error`
-- of the open requests and `on_close`.
function Peer:close()
  check.self(self, 'close')
  self._driver:flush()
  self._driver:close('closed', true)
end

--- Runs the event loop. Returns when the peer closes, on a signal, or when the loop is stopped.
---@param signals? integer[]|false signal numbers, default SIGINT and SIGQUIT; `false` or `{}` for none
---@return true|nil done nil if the connection could not be opened or was lost
---@return string|nil reason
function Peer:loop(signals)
  check.self(self, 'loop')
  check.type(signals, 'table|boolean|nil', 'signals', 'loop')
  if signals == nil or signals == true then
    signals = { SIGINT, SIGQUIT }
  end
  for _, number in ipairs(signals or {}) do
    if type(number) ~= 'number' or number % 1 ~= 0 or number < 1 or number > LAST_SIGNAL then
      local message = "bad argument 'signals' to 'loop' (signal numbers expected, got '%s')"
      check.fail(message:format(tostring(number)))
    end
  end
  local ok, message = self._driver:loop(signals or {})
  if not ok then
    check.fail(("bad argument 'signals' to 'loop' (%s)"):format(message))
  end
  local failure = self._driver.failure
  if failure then
    return nil, failure
  end
  return true
end

--- Calls `action` and sends the messages that it queues in one write, even if it raises.
---@param action fun()
function Peer:batch(action)
  check.self(self, 'batch')
  if not check.callable(action) then
    check.type(action, 'function', 'action', 'batch')
  end
  local driver = self._driver
  driver.batching = driver.batching + 1
  local ok, raised = pcall(action)
  driver.batching = driver.batching - 1
  driver:kick()
  if not ok then
    error(raised, 0)
  end
end

--- Sends queued messages now, for programs that block afterwards.
function Peer:flush()
  check.self(self, 'flush')
  self._driver:flush()
end

--- Sets the function that gets each message for a path or fetcher that this peer does not have.
---@param f fun(message: table)|nil
function Peer:on_no_dispatcher(f)
  check.self(self, 'on_no_dispatcher')
  if f and not check.callable(f) then
    check.type(f, 'function|nil', 'f', 'on_no_dispatcher')
  end
  self._driver.no_dispatcher = f or nil
end

--- Returns what is known about the daemon: `daemon` (its family), `features`, `name` and `version` as it reports them,
-- `stands_in` (a list of what this peer does because the daemon cannot: `'sort'`, …) and `encoding` (`'json'` or
-- `'msgpack'`). For a peer with a `user` also `user`, `authentication` (`'accepted'`, or `'not offered'` by a daemon
-- without users) and `groups`, if the daemon reports them.
---@return table|nil info nil before the daemon has reported what it is and before the peer is connected
function Peer:info()
  check.self(self, 'info')
  local driver = self._driver
  local daemon, text, stands_in, encoding = driver.engine:info()
  -- With `name` or `encoding`, responses come before `on_connect`.
  if not driver.up and (driver.closed or daemon == 'unknown' and not text) then
    return nil
  end
  local info = text and core.decode(text) or {}
  info.daemon, info.stands_in, info.encoding = daemon, stands_in, encoding
  local groups
  info.user, info.authentication, groups = driver.engine:authentication()
  info.groups = groups and core.decode(groups)
  return info
end

--- Keeps the callbacks of a request, or raises if it could not be sent.
---@param self jet.Peer
---@param callbacks jet.Callbacks|nil
---@param id integer|boolean|nil as the engine returned it
---@param message string|nil
---@param what string names the request in a report of its failure, e.g. 'setting'
---@param path? string
local function finish(self, callbacks, id, message, what, path)
  if not id then
    check.fail(message)
  end
  local driver = self._driver
  local hook
  if id ~= true and not (callbacks and callbacks.error) then
    hook = function(ok, err)
      if not ok then
        driver.requests:report_refusal(callbacks, what, path, err)
      end
    end
  end
  driver:sent(id, callbacks, hook)
end

--- Refuses a request with wrong arguments: the loop calls its `error`.
---@param self jet.Peer
---@param func string the function that the program called
---@param callbacks jet.Callbacks
---@param fault table from `check.request`
---@param params table the arguments of the program
local function refuse(self, func, callbacks, fault, params)
  fault.got = params
  params.timeout = callbacks.timeout
  self._driver.requests:refuse(callbacks, func, errors.invalid_params(fault))
end

--- Changes the configuration of this connection at the daemon.
---@param params table e.g. `{name = 'foo', debug = true}`; the encoding cannot be changed here
---@param callbacks? jet.Callbacks
function Peer:config(params, callbacks)
  check.self(self, 'config')
  check.type(params, 'table', 'params', 'config')
  callbacks = check.callbacks(callbacks, 'config')
  local driver = self._driver
  if driver.closed then
    return driver.requests:refuse_closed(callbacks, 'config')
  end
  local id
  local staged, message = driver:stage(params, 'params')
  if staged then
    id, message = driver.engine:request('config', staged, callbacks ~= nil, driver:timeout_of(callbacks, 'config'))
  end
  finish(self, callbacks, id, message, 'config')
end

--- Calls a method.
---@param path string
---@param args? any an array of arguments, or any other value as the only argument
---@param callbacks? jet.Callbacks
function Peer:call(path, args, callbacks)
  check.self(self, 'call')
  if not args then
    args = {}
  end
  local fault
  callbacks, fault = check.request(path, callbacks, 'call')
  if fault then
    return refuse(self, 'call', callbacks, fault, { path = path, args = args })
  end
  local driver = self._driver
  if driver.closed then
    return driver.requests:refuse_closed(callbacks, 'calling', path)
  end
  local id
  local staged, message = driver:stage(args, 'args')
  if staged then
    id, message = driver.engine:call(path, staged, callbacks ~= nil, driver:timeout_of(callbacks, 'call', path))
  end
  finish(self, callbacks, id, message, 'calling', path)
end

--- Sets a state.
---@param path string
---@param value any
---@param callbacks? jet.Callbacks with `valueAsResult`, `success` gets the new value
function Peer:set(path, value, callbacks)
  check.self(self, 'set')
  local fault
  callbacks, fault = check.request(path, callbacks, 'set')
  if fault then
    return refuse(self, 'set', callbacks, fault, { path = path, value = value })
  end
  local driver = self._driver
  if driver.closed then
    return driver.requests:refuse_closed(callbacks, 'setting', path)
  end
  local id, staged, message
  if value ~= nil then
    staged, message = driver:stage(value, 'value')
  end
  if not message then
    local as_result = callbacks and (callbacks.valueAsResult or callbacks.value_as_result)
    local timeout = driver:timeout_of(callbacks, 'set', path)
    id, message = driver.engine:set(path, staged, callbacks ~= nil, timeout, as_result and true or false)
  end
  finish(self, callbacks, id, message, 'setting', path)
end

--- Starts a live query. The callback is called for each element that matches, now and later.
---@param expression string|table a string matches each path that contains it, or that it matches as a Lua pattern
---@param callback fun(path: string, event: string, value: any, fetcher: jet.Fetcher) sorted: `(changes, n, fetcher)`
---@param callbacks? jet.Callbacks
---@return jet.Fetcher
function Peer:fetch(expression, callback, callbacks)
  check.self(self, 'fetch')
  check.type(expression, 'string|table', 'expression', 'fetch')
  if not check.callable(callback) then
    check.type(callback, 'function', 'callback', 'fetch')
  end
  callbacks = check.callbacks(callbacks, 'fetch')
  return Fetcher.new(self._driver, expression, callback, callbacks)
end

--- Checks the description of an element.
---@param self jet.Peer
---@param desc any
---@param func string
local function check_description(self, desc, func)
  check.type(desc, 'table', 'desc', func)
  check.type(desc.path, 'string', 'desc.path', func)
  keys.check_description(self._driver, desc, func)
end

--- Adds a state.
---@param desc jet.StateDescription
---@param callbacks? jet.Callbacks
---@return jet.State
function Peer:state(desc, callbacks)
  check.self(self, 'state')
  check_description(self, desc, 'state')
  check.callback(desc, 'set', 'desc', 'state')
  check.callback(desc, 'set_async', 'desc', 'state')
  callbacks = check.callbacks(callbacks, 'state')
  return State.new(self._driver, desc, callbacks)
end

--- Adds a method.
---@param desc jet.MethodDescription
---@param callbacks? jet.Callbacks
---@return jet.Method
function Peer:method(desc, callbacks)
  check.self(self, 'method')
  check_description(self, desc, 'method')
  check.callback(desc, 'call', 'desc', 'method')
  check.callback(desc, 'call_async', 'desc', 'method')
  callbacks = check.callbacks(callbacks, 'method')
  if not (desc.call or desc.call_async) then
    check.fail("invalid method desc '" .. desc.path .. "': neither call nor call_async")
  end
  return Method.new(self._driver, desc, callbacks)
end

--- Adds a raw element: the program receives its requests as whole messages.
---@param desc table `path`, optional `value` and `access`
---@param dispatch fun(peer: jet.Peer, message: table, reply: fun(response: table))
---@param callbacks? jet.Callbacks
---@return jet.RawElement
function Peer:add(desc, dispatch, callbacks)
  check.self(self, 'add')
  check_description(self, desc, 'add')
  if not check.callable(dispatch) then
    check.type(dispatch, 'function', 'dispatch', 'add')
  end
  callbacks = check.callbacks(callbacks, 'add')
  return RawElement.new(self._driver, desc, dispatch, callbacks)
end

--- Removes the element of this peer under a path.
---@param path string
---@param callbacks? jet.Callbacks
function Peer:remove(path, callbacks)
  check.self(self, 'remove')
  local fault
  callbacks, fault = check.request(path, callbacks, 'remove')
  if fault then
    return refuse(self, 'remove', callbacks, fault, { path = path })
  end
  local driver = self._driver
  local owner = driver.owned[path]
  if owner then
    owner:_remove(callbacks)
    return
  elseif driver.closed then
    return driver.requests:refuse_closed(callbacks, 'removing', path)
  end
  -- Always a request: the response may be a refusal, which is reported.
  local id, message = driver.engine:remove(path, true, driver:timeout_of(callbacks, 'remove', path))
  finish(self, callbacks, id, message, 'removing', path)
end

return Peer
