--- The requests of one peer: the callbacks of open ones, and how the failure of a request reaches the program.

local caller = require 'jet.caller'
local errors = require 'jet.errors'
local peer_loops = require 'jet.peer_loops'
local protected = require 'jet.protected_call'

---@class jet.Callbacks
---@field success? fun(result: any)
---@field error? fun(err: table)
---@field timeout? number seconds
---@field valueAsResult? boolean
---@field value_as_result? boolean

--- Handles a response before the callbacks of the program. Returns a value that replaces the result or error, or nil.
---@alias jet.ResponseHook fun(ok: boolean, value: any): any

---@class jet.Requests
---@field _adapter jet.Adapter the loop
---@field _log function|false|nil as for `jet.protected_call`
---@field _callbacks table<integer, jet.Callbacks> of open requests, by id
---@field _hooks table<integer, jet.ResponseHook> of open requests, by id
---@field _deferred table<table, boolean> callbacks that the loop will call; true if `pi:loop` waits for them
---@field _phase 'open'|'lost'|'closed'|'over' `lost` and `closed` until the open requests have failed
local Requests = {}
Requests.__index = Requests

--- Makes the requests of a peer.
---@param adapter jet.Adapter
---@param log function|false|nil
---@return jet.Requests
function Requests.new(adapter, log)
  return setmetatable({
    _adapter = adapter,
    _log = log,
    _callbacks = {},
    _hooks = {},
    _deferred = {},
    _delivering = false,
    _phase = 'open',
  }, Requests)
end

--- Keeps the callbacks of a request that was sent.
---@param id integer
---@param callbacks jet.Callbacks|nil
---@param hook jet.ResponseHook|nil
function Requests:keep(id, callbacks, hook)
  self._callbacks[id] = callbacks
  self._hooks[id] = hook
end

--- Handles the response to a request.
---@param id integer
---@param ok boolean whether it succeeded
---@param value any the result or error
function Requests:respond(id, ok, value)
  local callbacks, hook = self._callbacks[id], self._hooks[id]
  self._callbacks[id], self._hooks[id] = nil, nil
  if not ok then
    errors.mark(value)
  end
  if hook then
    local replaced = hook(ok, value)
    if replaced ~= nil then
      value = replaced
    end
  end
  local callback = callbacks and (ok and callbacks.success or not ok and callbacks.error)
  if callback then
    protected.call(self._log, callback, value)
  end
end

--- Notes that the connection has ended. From now on refused requests are not reported.
---@param is_failure boolean whether it was lost
function Requests:close(is_failure)
  self._phase = is_failure and 'lost' or 'closed'
end

--- Fails all open requests because the connection has ended.
function Requests:fail_all()
  local pending, hooks = self._callbacks, self._hooks
  self._callbacks, self._hooks = {}, {}
  local ids = {}
  for id in pairs(pending) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local callback = pending[id].error
    if hooks[id] then
      hooks[id](false, errors.closed())
    end
    if callback then
      protected.call(self._log, callback, errors.closed())
    end
  end
  self._phase = 'over'
end

--- Calls `action` from the loop, for a request that was not sent. `pi:loop` waits for it, unless an action asked for
-- it: a program that tries again and again would keep the loop running for ever.
---@param action fun()
function Requests:_defer(action)
  local token = {}
  self._deferred[token] = not self._delivering
  self._adapter.after(0, function()
    local outer = self._delivering
    self._delivering = true
    action()
    self._delivering = outer
    self._deferred[token] = nil
    peer_loops.review(self._adapter)
  end)
end

--- Makes `is_over` wait for all callbacks that the loop will call.
function Requests:await_deferred()
  for token in pairs(self._deferred) do
    self._deferred[token] = true
  end
end

--- Returns whether all open requests have failed and `pi:loop` waits for no callback.
---@return boolean
function Requests:is_over()
  if self._phase ~= 'over' then
    return false
  end
  for _, awaited in pairs(self._deferred) do
    if awaited then
      return false
    end
  end
  return true
end

--- Refuses a request on a closed peer: calls `error` from the loop, or reports the failure if there is no such
-- callback.
---@param callbacks jet.Callbacks|nil
---@param what string names the request in the report, e.g. 'setting'
---@param path? string
function Requests:refuse_closed(callbacks, what, path)
  if callbacks and callbacks.error then
    self:_defer(function()
      protected.call(self._log, callbacks.error, errors.closed())
    end)
  elseif self._phase ~= 'lost' then
    -- Until the open requests have failed, this one is part of the failure of the connection.
    self:_report(what, path, errors.closed())
  end
end

--- Refuses a request with wrong arguments: calls `error` from the loop, or reports the failure at the program's line
-- if there is no such callback.
---@param callbacks jet.Callbacks
---@param func string the function that the program called
---@param err table
function Requests:refuse(callbacks, func, err)
  local position = caller.position()
  self:_defer(function()
    if callbacks.error then
      protected.call(self._log, callbacks.error, err)
    else
      protected.report(self._log, ('%s%s failed: %s'):format(position, func, errors.describe(err)))
    end
  end)
end

--- Reports the failure of a request that has no `error` callback.
---@param what string names the request, e.g. 'setting'
---@param path string|nil
---@param err table the error object
function Requests:_report(what, path, err)
  local subject = path and ("%s '%s'"):format(what, path) or what
  local text = path and errors.cause(err, path) or errors.describe(err)
  protected.report(self._log, ('%s failed: %s'):format(subject, text))
end

--- Reports that the daemon refused a request, unless the request has an `error` callback or the connection has ended.
---@param callbacks jet.Callbacks|nil
---@param what string names the request, e.g. 'setting'
---@param path string|nil
---@param err table the error object
function Requests:report_refusal(callbacks, what, path, err)
  if not (callbacks and callbacks.error) and self._phase == 'open' then
    self:_report(what, path, err)
  end
end

return Requests
