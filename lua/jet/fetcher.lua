--- Fetchers: live queries of a peer.

local check = require 'jet.check'
local core = require 'jet.core'

---@class jet.Fetcher
---@field _driver jet.Driver
---@field _callback function
---@field _expression string the expression as JSON text
---@field _number integer|nil the engine's number of this fetcher
local Fetcher = {}
Fetcher.__index = Fetcher

--- The expression as JSON text.
---@param expression string|table
---@return string|nil
---@return string|nil message
local function encode(expression)
  if type(expression) == 'string' then
    return core.encode({ text = expression }, 'expression')
  end
  return core.encode(expression, 'expression')
end

-- Bytes of an expression that a report shows.
local SHOWN = 100

--- Names a fetch in a report.
---@param expression string as JSON
---@return string
local function describe(expression)
  if #expression > SHOWN then
    -- No part of a character is left at the end.
    expression = expression:sub(1, SHOWN + 1):gsub('[^\128-\191][\128-\191]*$', '') .. '…'
  end
  return 'a fetch of ' .. expression
end

--- Makes a fetcher and starts it.
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
  -- The answer is wanted in any case: it may be a refusal.
  local number, id = driver.engine:fetch(self._number, self._expression, true, timeout)
  if not number then
    check.fail(id)
  end
  self._number = number
  self._active = callbacks == nil
  driver.fetchers[number] = self
  driver:sent(id, callbacks, answered)
end

--- Starts the fetch again after `unfetch`; while it is active, all that matches is told anew.
---@param callbacks? jet.Callbacks
function Fetcher:fetch(callbacks)
  check.self(self, 'fetch')
  callbacks = check.callbacks(callbacks, 'fetch')
  self:_fetch(callbacks)
end

--- Ends the fetch: the fetch callback is not called any more. To end it twice is a success.
---@param callbacks? jet.Callbacks
function Fetcher:unfetch(callbacks)
  check.self(self, 'unfetch')
  callbacks = check.callbacks(callbacks, 'unfetch')
  local driver = self._driver
  if driver.closed then
    -- The fetch is over: nothing to report.
    if callbacks and callbacks.error then
      driver.requests:refuse_closed(callbacks, 'the end of a fetch')
    end
    return
  end
  -- The answer is wanted in any case: it may be a refusal.
  local id, message = driver.engine:unfetch(self._number, true, driver:timeout_of(callbacks, 'unfetch'))
  if not id then
    check.fail(message)
  end
  driver.fetchers[self._number] = nil
  if not callbacks then
    self._active = false
    -- The answer to a fetch that is still under way means nothing any more.
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

--- Whether the fetch is active: from the daemon's answer on, without callbacks from the start.
---@return boolean
function Fetcher:is_fetching()
  check.self(self, 'is_fetching')
  return self._active == true
end

return Fetcher
