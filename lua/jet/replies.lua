--- Responses to requests for the elements of a peer: results, errors, and errors that handlers raise.

local check = require 'jet.check'
local errors = require 'jet.errors'
local protected = require 'jet.protected_call'

local replies = {}

--- Returns the error object for a raised value: a table with `code` and `message` as it is, any other value as the data
-- of an internal error.
---@param raised any
---@return table
function replies.to_error(raised)
  if type(raised) == 'table' and raised.code and raised.message then
    return raised
  end
  return errors.internal(raised)
end

--- Responds to a request with an error. Data that cannot be sent is replaced by its text.
---@param driver jet.Driver
---@param id string|nil nil for a notification: then the error is reported to the log
---@param raised any
function replies.refuse(driver, id, raised)
  local err = replies.to_error(raised)
  if id == nil then
    local text = err == raised and errors.describe(err) or errors.cause(err)
    protected.report(driver.log, 'a handler failed on a notification: ' .. text)
    return
  end
  if driver.closed then
    return
  end
  local staged = driver:stage(err, 'error')
  if not staged then
    local data = tostring(err.data or err.message)
    staged = driver:stage(errors.internal(data), 'error')
  end
  local ok, message = driver.engine:refuse(id, staged)
  if not ok then
    driver:note(message)
    -- Ends the connection if the response did not fit into `max_unsent`.
    driver:flush()
  end
  driver:kick()
end

--- Responds to a request with a result, or with an error if the result cannot be sent.
---@param driver jet.Driver
---@param id string|nil
---@param result any
---@param name string names the result in the error
function replies.result(driver, id, result, name)
  if id == nil or driver.closed then
    return
  end
  local staged, message = driver:stage(result, name)
  local ok = staged
  if staged then
    ok, message = driver.engine:answer(id, staged)
  end
  if not ok then
    return replies.refuse(driver, id, message)
  end
  driver:kick()
end

--- Returns the `reply` function of an asynchronous handler. Only its first call has an effect.
---@param driver jet.Driver
---@param path string
---@param answer fun(response: table)
---@return fun(response: table)
local function replier(driver, path, answer)
  local replied = false
  return function(response)
    if type(response) ~= 'table' then
      local message = "bad argument 'response' to 'reply' (table expected, got %s)"
      check.fail(message:format(response == nil and 'no value' or type(response)))
    end
    if replied then
      driver:note('a second reply for ' .. path .. ' is ignored')
      return
    end
    replied = true
    if not driver.closed then
      answer(response)
    end
  end
end

--- Runs an asynchronous handler. An error that it raises before its reply is the reply.
---@param driver jet.Driver
---@param path string the element
---@param name string the handler, e.g. 'set_async'
---@param answer fun(response: table) responds to the request
---@param invoke fun(reply: fun(response: table)): boolean, any calls the handler, protected
function replies.run(driver, path, name, answer, invoke)
  local done = false
  local reply = replier(driver, path, function(response)
    done = true
    answer(response)
  end)
  local ok, raised = invoke(reply)
  if ok then
    return
  elseif done then
    driver:note(("%s of '%s' raised after its reply: %s"):format(name, path, errors.describe(raised)))
  else
    reply { error = replies.to_error(raised) }
  end
end

return replies
