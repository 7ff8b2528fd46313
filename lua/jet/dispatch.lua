--- Hands each event of the engine to its receiver.
--
-- The table has a function for each kind of event, by its number. It takes the driver and the four fields of the event.

local core = require 'jet.core'
local errors = require 'jet.errors'
local protected = require 'jet.protected_call'

-- The numbers of `lua::peer_events`.
local RESPONSE, NOTIFICATION, SORTED, SET, CALL, RAW, UNKNOWN, READY, NOTE, LOGIN_FAILED = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

---@type table<integer, fun(driver: jet.Driver, a: any, b: any, c: any, d: any)>
local dispatch = {}

dispatch[RESPONSE] = function(driver, id, ok, value)
  driver.requests:respond(id, ok, value)
end

dispatch[NOTIFICATION] = function(driver, number, event, path, value)
  local fetcher = driver.fetchers[number]
  if not fetcher then
    return
  end
  if driver.event_first then
    path, event = event, path
  end
  protected.call(driver.log, fetcher._callback, path, event, value, fetcher)
end

dispatch[SORTED] = function(driver, number, n, changes)
  local fetcher = driver.fetchers[number]
  if fetcher then
    protected.call(driver.log, fetcher._callback, changes, n, fetcher)
  end
end

local function request(driver, key, id, value, extra)
  local element = driver.elements[key]
  if element and not driver.closed then
    element:request(id, value, extra)
  end
end

dispatch[SET] = request
dispatch[CALL] = request
dispatch[RAW] = request

dispatch[UNKNOWN] = function(driver, _, _, message)
  if driver.no_dispatcher then
    protected.call(driver.log, driver.no_dispatcher, message)
  else
    driver:note('unhandled message: ' .. (core.encode(message) or '?'))
  end
end

dispatch[READY] = function(driver)
  driver.up = true
  if driver.on_connect then
    protected.call(driver.log, driver.on_connect, driver.peer)
  end
end

dispatch[NOTE] = function(driver, _, _, text)
  driver:note(text)
end

dispatch[LOGIN_FAILED] = function(driver, _, _, err, reason)
  driver.refusal = errors.mark(err)
  driver:lost(reason)
end

return dispatch
