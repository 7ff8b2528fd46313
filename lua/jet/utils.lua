--- `jet.utils`: small functions of the earlier module that programs came to require.
--
-- This module does not use them itself. Those that make errors give error objects as requests get them.

local errors = require 'jet.errors'

local utils = {}

--- Does nothing.
function utils.noop() end

--- Whether a table has no entry.
---@param t table
---@return boolean
function utils.is_empty_table(t)
  return next(t) == nil
end

--- Makes the function that makes errors of one code.
---@param code integer
---@param message string
---@return fun(data?: any): table
local function maker(code, message)
  return function(data)
    return errors.new(code, message, data)
  end
end

--- The error of a message that is no JSON.
---@type fun(data?: any): table
utils.parse_error = maker(-32700, 'Parse error')

--- The error of a message that is neither request nor response.
---@type fun(data?: any): table
utils.invalid_request = maker(-32600, 'Invalid Request')

--- The error of a request for something that is not there; `data` is its name.
---@type fun(data?: any): table
utils.method_not_found = maker(-32601, 'Method not found')

--- The error of a request whose params do not fit.
---@type fun(data?: any): table
utils.invalid_params = maker(-32602, 'Invalid params')

--- The error of a handler that failed; `data` is what it raised.
---@type fun(data?: any): table
utils.internal_error = maker(-32603, 'Internal error')

--- The error of a request that was not answered in time; `data` is its params.
---@type fun(data?: any): table
utils.response_timeout = maker(-32001, 'Response Timeout')

--- Whether the earlier module took a string for a path and not for a pattern: it has no `^`, `$` or `*`.
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
