--- Fetchers: live queries of a peer.

local check = require 'jet.check'
local core = require 'jet.core'

---@class jet.Fetcher
---@field _driver jet.Driver
---@field _callback function
---@field _expression string the expression as JSON text
---@field _number integer|nil the number of this fetcher in the engine
local Fetcher = {}
Fetcher.__index = Fetcher

--- Returns the expression as JSON text, or nil and why it cannot be sent.
---@param expression string|table
---@return string|nil
---@return string|nil message
local function encode(expression)
  if type(expression) == 'string' then
    return core.encode({ text = expression }, 'expression')
  end
  return core.encode(expression, 'expression')
end

-- Number of bytes of an expression that a report shows.
local SHOWN = 100

--- Returns the name of a fetch for a report.
---@param expression string as JSON
---@return string
local function describe(expression)
  if #expression > SHOWN then
    -- The text is cut between two characters.
    expression = expression:sub(1, SHOWN + 1):gsub('[^\128-\191][\128-\191]*$', '') .. '…'
  end
  return 'a fetch of ' .. expression
end

--- Makes a fetcher and starts its fetch.
---@param driver jet.Driver
---@param expression string|table
---@param callback function
---@param callbacks? jet.Callbacks
---@return jet.Fetcher
function Fetcher.new(driver, expression, callback, callbacks)
  local text, message = encode(expression)
  if not text then
    check.fail(message)
  end
  local self = setmetatable({ _driver = driver, _callback = callback, _expression = text }, Fetcher)
  local warnings
  warnings, message = core.check_fetch(text)
  if not warnings then
    check.fail(message)
  end
  driver:warn(warnings)
  self:_fetch(callbacks)
  return self
end

--- Sends the fetch.
---@param callbacks jet.Callbacks|nil
function Fetcher:_fetch(callbacks)
  local driver = self._driver
  local round = (self._round or 0) + 1
  self._round = round
  local function answered(ok, result)
    if self._round ~= round then
      return ok or nil
    end
    self._active = ok
    if ok then
      return true
    end
    driver.fetchers[self._number] = nil
    driver.requests:report_refusal(callbacks, describe(self._expression), nil, result)
  end
  if driver.closed then
    return driver.requests:refuse_closed(callbacks, 'a fetch')
  end
  local timeout = driver:timeout_of(callbacks, 'fetch')
  -- Always a request: the response may be a refusal, which is reported.
  local number, id = driver.engine:fetch(self._number, self._expression, true, timeout)
  if not number then
    check.fail(id)
  end
  self._number = number
  self._active = callbacks == nil
  driver.fetchers[number] = self
  driver:sent(id, callbacks, answered)
end

--- Starts the fetch again after `unfetch`. On an active fetch, all matching elements are notified again.
---@param callbacks? jet.Callbacks
function Fetcher:fetch(callbacks)
  check.self(self, 'fetch')
  callbacks = check.callbacks(callbacks, 'fetch')
  self:_fetch(callbacks)
end

--- Ends the fetch. Its callback is not called any more. Ending it twice is a success.
---@param callbacks? jet.Callbacks
function Fetcher:unfetch(callbacks)
  check.self(self, 'unfetch')
  callbacks = check.callbacks(callbacks, 'unfetch')
  local driver = self._driver
  if driver.closed then
    -- The fetch has ended with the connection, so there is nothing to report.
    if callbacks and callbacks.error then
      driver.requests:refuse_closed(callbacks, 'the end of a fetch')
    end
    return
  end
  -- Always a request: the response may be a refusal, which is reported.
  local id, message = driver.engine:unfetch(self._number, true, driver:timeout_of(callbacks, 'unfetch'))
  if not id then
    check.fail(message)
  end
  driver.fetchers[self._number] = nil
  if not callbacks then
    self._active = false
    -- The response to a fetch request that is still open has no effect any more.
    self._round = self._round + 1
  end
  local round = self._round
  driver:sent(id, callbacks, function(ok, result)
    if self._round == round then
      self._active = false
    end
    if not ok then
      driver.requests:report_refusal(callbacks, 'the end of a fetch', nil, result)
    end
    return ok or nil
  end)
end

--- Returns whether the fetch is active: from the daemon's response on, or from the call on without callbacks.
---@return boolean
function Fetcher:is_fetching()
  check.self(self, 'is_fetching')
  return self._active == true
end

return Fetcher
