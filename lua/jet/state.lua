--- States: values that a peer shows, and lets others set.

local replies = require 'jet.replies'
local check = require 'jet.check'
local Element = require 'jet.element'
local errors = require 'jet.errors'

---@class jet.StateDescription
---@field path string
---@field value? any any value that can be sent; follows the state's value
---@field access? jet.Access
---@field set? fun(requested: any): any, boolean? called when somebody sets the state
---@field set_async? fun(reply: fun(response: jet.SetReply), requested: any) the same, answering later

--- What `set_async` replies with: `error`, or `result` or `value` or both.
---@class jet.SetReply
---@field result? any what a requester with `valueAsResult` gets; `true` stands for the state's new value
---@field value? any the state's new value, if it is not the requested one
---@field error? any refuses the set; an error object, or what becomes the data of one
---@field dont_notify? boolean the new value is not posted

---@class jet.State: jet.Element
---@field _desc jet.StateDescription
local State = Element.extend('state')

--- Makes a state and adds it to the daemon.
---@param driver jet.Driver
---@param desc jet.StateDescription
---@param callbacks? jet.Callbacks
---@param depth integer functions of ours between here and the program's code
---@return jet.State
function State.new(driver, desc, callbacks, depth)
  local self = Element.create(State, driver, desc, {
    -- Which handler counts is decided once; `set` wins.
    _asynchronous = not desc.set and desc.set_async and true or false,
  })
  self:_assert_not_added(depth + 1)
  self:_add(desc.value, callbacks, depth + 1)
  return self
end

--- Reads the state's value, or posts a new one to the daemon.
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
    ok, message = driver.engine:change(self._path, staged)
  end
  if not ok then
    error(message, 2)
  end
  self._desc.value = new
  driver:kick()
end

--- Answers a set and posts the new value.
---@param self jet.State
---@param id string|nil
---@param new any the state's value from now on
---@param outcome {result: any, answer_value: boolean, silent: any} what the requester and the others get
local function accept(self, id, new, outcome)
  local driver = self._driver
  if outcome.answer_value then
    replies.result(driver, id, outcome.result, 'result')
  elseif id then
    driver.engine:answer(id)
  end
  self._desc.value = new
  if not outcome.silent and not driver.closed then
    local staged = new ~= nil and driver:stage(new, 'value') or nil
    local ok, message = driver.engine:change(self._path, staged)
    if not ok then
      driver:note(message)
    end
  end
  driver:kick()
end

--- The value a set leads to, or nil and why it cannot be sent.
---@param driver jet.Driver
---@param chosen any what the handler chose, nil for the requested value
---@return any truthy if it can be sent
---@return string|nil message
local function sendable(driver, chosen)
  if chosen == nil then
    return true
  end
  return driver:stage(chosen, 'value')
end

--- Takes a set that was answered by `reply`.
---@param self jet.State
---@param id string|nil
---@param requested any
---@param value_as_result boolean
---@param response table
local function replied(self, id, requested, value_as_result, response)
  local driver = self._driver
  if response.error then
    return replies.refuse(driver, id, response.error)
  end
  if response.result == nil and response.value == nil then
    return replies.refuse(driver, id, "set_async of '" .. self._path .. "' replied neither result nor error")
  end
  local ok, message = sendable(driver, response.value)
  if not ok then
    return replies.refuse(driver, id, message)
  end
  local new, result = requested, response.result
  if response.value ~= nil then
    new = response.value
  end
  if result == nil or result == true then
    result = new
  end
  accept(self, id, new, { result = result, answer_value = value_as_result, silent = response.dont_notify })
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
  local done = false
  local reply = replies.replier(driver, self._path, function(response)
    done = true
    replied(self, id, requested, value_as_result, response)
  end)
  local ok, raised = pcall(self._desc.set_async, reply, requested)
  if ok then
    return
  end
  if done then
    driver:note(("set_async of '%s' raised after its reply: %s"):format(self._path, errors.describe(raised)))
  else
    reply({ error = replies.to_error(raised) })
  end
end

--- Somebody sets the state.
---@param id string|nil what to answer with, nil if nobody waits
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
  local message
  ok, message = sendable(driver, chosen)
  if not ok then
    return replies.refuse(driver, id, message)
  end
  local new = chosen
  if new == nil then
    new = requested
  end
  accept(self, id, new, { result = new, answer_value = value_as_result, silent = silent })
end

return State
