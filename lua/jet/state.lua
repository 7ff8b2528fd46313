--- States: values that a peer publishes and may let other peers set.

local replies = require 'jet.replies'
local check = require 'jet.check'
local Element = require 'jet.element'
local errors = require 'jet.errors'

---@class jet.StateDescription
---@field path string
---@field value? any any value that can be sent; follows the state's value
---@field access? jet.Access
---@field set? fun(requested: any): any, boolean? called when a peer sets the state
---@field set_async? fun(reply: fun(response: jet.SetReply), requested: any) the same, with a reply that may come later

--- The reply of `set_async`: `error`, or one or both of `result` and `value`.
---@class jet.SetReply
---@field result? any the result for a requester with `valueAsResult`; `true` stands for the state's new value
---@field value? any the state's new value, if it is not the requested one
---@field error? any refuses the set: an error object, or the data of one
---@field dont_notify? boolean whether the change is not sent to the daemon

---@class jet.State: jet.Element
---@field _desc jet.StateDescription
local State = Element.extend('state')

--- Makes a state and adds it to the daemon.
---@param driver jet.Driver
---@param desc jet.StateDescription
---@param callbacks? jet.Callbacks
---@return jet.State
function State.new(driver, desc, callbacks)
  local self = Element.create(State, driver, desc, {
    -- With both handlers, `set` is used.
    _asynchronous = not desc.set and desc.set_async and true or false,
  })
  self:_assert_not_added()
  self:_add(desc.value, callbacks)
  return self
end

--- Returns the state's value, or changes it.
---@param new? any
---@return any value only when reading
function State:value(new)
  check.self(self, 'value')
  if new == nil then
    return self._desc.value
  end
  local driver = self._driver
  local staged, message = driver:stage(new, 'value')
  local ok = staged
  if staged and not driver.closed then
    if driver.owned[self._path] then
      ok, message = driver.engine:change(self._path, staged)
    else
      -- Not an error: programs for the earlier module may set the value for the next `add` in this way.
      driver:warn { ("'%s' is not added: its new value is kept for the next add and not sent"):format(self._path) }
    end
  end
  if not ok then
    check.fail(message)
  end
  self._desc.value = new
  driver:kick()
end

--- Completes a set: responds to the request and sends the change. The value is converted to JSON once, for both. If it
-- cannot be sent, the set is refused.
---@param self jet.State
---@param id string|nil identifies the request in its response; nil for a notification
---@param new any
---@param outcome {value_as_result: boolean, result: any, silent: any} `result`: another result than the new value
local function accept(self, id, new, outcome)
  local driver = self._driver
  local staged, message
  if new ~= nil then
    staged, message = driver:stage(new, 'value')
    if not staged then
      return replies.refuse(driver, id, message)
    end
  end
  if id and outcome.value_as_result and outcome.result ~= nil then
    replies.result(driver, id, outcome.result, 'result')
    id = nil
  end
  self._desc.value = new
  if driver.closed then
    return
  end
  local unanswered, unsent =
    driver.engine:accept(self._path, id, staged, outcome.value_as_result, not outcome.silent)
  if unanswered then
    replies.refuse(driver, id, unanswered)
  end
  if unsent then
    driver:note(unsent)
  end
  driver:kick()
end

--- Completes a set after the reply of `set_async`.
---@param self jet.State
---@param id string|nil
---@param requested any
---@param value_as_result boolean
---@param response table
local function replied(self, id, requested, value_as_result, response)
  if response.error then
    return replies.refuse(self._driver, id, response.error)
  end
  local new, result = response.value, response.result
  if result == nil and new == nil then
    return replies.refuse(self._driver, id, "set_async of '" .. self._path .. "' replied neither result nor error")
  end
  if new == nil then
    new = requested
  end
  if result == true then
    result = nil
  end
  accept(self, id, new, { value_as_result = value_as_result, result = result, silent = response.dont_notify })
end

--- Runs a `set_async` handler.
---@param self jet.State
---@param id string|nil
---@param requested any
---@param value_as_result boolean
local function set_later(self, id, requested, value_as_result)
  local driver = self._driver
  if requested == nil then
    return id and replies.refuse(driver, id, errors.invalid_params { missingParam = 'value' })
  end
  replies.run(driver, self._path, 'set_async', function(response)
    replied(self, id, requested, value_as_result, response)
  end, function(reply)
    return pcall(self._desc.set_async, reply, requested)
  end)
end

--- Handles a request to set the state.
---@param id string|nil identifies the request in its response; nil for a notification
---@param requested any
---@param value_as_result boolean
function State:request(id, requested, value_as_result)
  local driver = self._driver
  if self._asynchronous then
    return set_later(self, id, requested, value_as_result)
  end
  if not self._desc.set then
    return id and replies.refuse(driver, id, errors.invalid_params { fetchOnly = self._path })
  end
  local ok, chosen, silent = pcall(self._desc.set, requested)
  if not ok then
    return replies.refuse(driver, id, chosen)
  end
  if chosen == nil then
    chosen = requested
  end
  accept(self, id, chosen, { value_as_result = value_as_result, silent = silent })
end

return State
