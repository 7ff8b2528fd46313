--- `jet.utils`: functions of the earlier module that programs use.
--
-- Nothing in this module uses them. The error functions return error objects as `error` callbacks get them.

local errors = require 'jet.errors'

local utils = {}

--- Does nothing.
function utils.noop() end

--- Returns whether a table has no entry.
---@param t table
---@return boolean
function utils.is_empty_table(t)
  return next(t) == nil
end

--- Returns a function that makes error objects of one code.
---@param code integer
---@param message string
---@return fun(data?: any): table
local function maker(code, message)
  return function(data)
    return errors.new(code, message, data)
  end
end

--- Returns the error for a message that is not JSON.
---@type fun(data?: any): table
utils.parse_error = maker(-32700, 'Parse error')

--- Returns the error for a message that is neither a request nor a response.
---@type fun(data?: any): table
utils.invalid_request = maker(-32600, 'Invalid Request')

--- Returns the error for an unknown method; `data` is its name.
---@type fun(data?: any): table
utils.method_not_found = maker(-32601, 'Method not found')

--- Returns the error for a request with wrong params.
---@type fun(data?: any): table
utils.invalid_params = maker(-32602, 'Invalid params')

--- Returns the error for a handler that failed; `data` is the value that it raised.
---@type fun(data?: any): table
utils.internal_error = maker(-32603, 'Internal error')

--- Returns the error for a request without a response in time; `data` is its params.
---@type fun(data?: any): table
utils.response_timeout = maker(-32001, 'Response Timeout')

--- Returns whether a string has no `^`, `$` or `*`, which in the earlier module made it a pattern.
---@param path string
---@return boolean
function utils.is_valid_path(path)
  return not path:find '[%^%$%*]'
end

--- Removes the first element of a list that is equal to a value.
---@param list any[]
---@param value any
---@return boolean removed
function utils.remove(list, value)
  for index, element in ipairs(list) do
    if element == value then
      table.remove(list, index)
      return true
    end
  end
  return false
end

return utils
