--- Checks of arguments, with errors at the program's line that name the argument.

local caller = require 'jet.caller'
local core = require 'jet.core'

local check = {}

--- Raises an error at the line of the program that called into this module.
---@param message string
check.fail = caller.fail

--- Describes a value for an error message.
---@param value any
---@return string
local function kind(value)
  return value == nil and 'no value' or type(value)
end

-- Sets of types by their lists, such as 'string|nil'. Splitting a list in each call would cost more than the rest of the
-- call. There are a dozen lists, all in the files of this module.
local accepted = setmetatable({}, {
  __index = function(lists, expected)
    local types = {}
    for wanted in expected:gmatch('[^|]+') do
      types[wanted] = true
    end
    lists[expected] = types
    return types
  end,
})

--- Checks the type of an argument.
---@param value any
---@param expected string types separated by '|', as `type` names them; 'nil' makes it optional
---@param name string the name of the argument in the documentation
---@param func string the name of the function
function check.type(value, expected, name, func)
  if accepted[expected][type(value)] then
    return
  end
  local readable = expected:gsub('|nil$', ''):gsub('|', ' or ')
  local message = ("bad argument '%s' to '%s' (%s expected, got %s)"):format(name, func, readable, kind(value))
  check.fail(message)
end

--- Returns whether a value is a finite number. NaN and infinities cannot be sent in a message.
---@param value any
---@return boolean
local function is_seconds(value)
  return type(value) == 'number' and value - value == 0
end

--- Checks an optional number of seconds.
---@param value any nil or false for none
---@param name string the name of the argument
---@param func string the name of the function
function check.seconds(value, name, func)
  if not value then
    return
  end
  check.type(value, 'number|nil', name, func)
  if not is_seconds(value) then
    local message = "bad argument '%s' to '%s' (finite number of seconds expected, got %s)"
    check.fail(message:format(name, func, tostring(value)))
  end
end

--- Checks that `new` of a module was called with a dot.
---@param module table
---@param given any the first argument
---@param name string the name of that argument
---@param example string a call as it should be
function check.no_self(module, given, name, example)
  if type(given) == 'table' and (given == module or rawget(given, 'new') == module.new) then
    check.fail(("bad argument '%s' to 'new' (called with a colon; call it with a dot, as in %s)"):format(name, example))
  end
end

--- Checks that a method was called with a colon.
---@param self any
---@param func string the name of the method
function check.self(self, func)
  check.receiver(type(self) == 'table' and self._driver ~= nil and self[func] ~= nil, func)
end

--- Raises unless a method was called on an object that has it.
---@param is_receiver boolean
---@param func string the name of the method
function check.receiver(is_receiver, func)
  if not is_receiver then
    check.fail(("bad argument 'self' to '%s' (call it with a colon, as in object:%s())"):format(func, func))
  end
end

--- Returns whether a value can be called.
---@param value any
---@return boolean
function check.callable(value)
  if type(value) == 'function' then
    return true
  end
  local meta = getmetatable(value)
  return type(meta) == 'table' and meta.__call ~= nil
end

--- Checks an optional function in a table argument.
---@param holder table
---@param field string
---@param name string the name of the table argument
---@param func string the name of the function
function check.callback(holder, field, name, func)
  local value = holder[field]
  if value and not check.callable(value) then
    local message = ("bad argument '%s.%s' to '%s' (function expected, got %s)")
    check.fail(message:format(name, field, func, kind(value)))
  end
end

--- Checks the table of callbacks that many functions take last. Programs write `cond and {...}`, so false stands for no
-- table.
---@param callbacks any nil, false, or a table with optional `success`, `error`, `timeout`
---@param func string the name of the function
---@return jet.Callbacks|nil
function check.callbacks(callbacks, func)
  if not callbacks then
    return nil
  end
  check.functions(callbacks, func)
  check.seconds(callbacks.timeout, 'callbacks.timeout', func)
  return callbacks
end

--- Checks the functions in a table of callbacks.
---@param callbacks any
---@param func string
function check.functions(callbacks, func)
  check.type(callbacks, 'table', 'callbacks', func)
  check.callback(callbacks, 'success', 'callbacks', func)
  check.callback(callbacks, 'error', 'callbacks', func)
end

--- Checks the path and callbacks of a request. With callbacks, a wrong path or timeout does not raise: programs expect it
-- in their `error`.
---@param path any
---@param callbacks any as in `check.callbacks`
---@param func string the name of the function
---@return jet.Callbacks|nil
---@return table|nil fault the `data` of the error for the callbacks
function check.request(path, callbacks, func)
  if not callbacks then
    check.type(path, 'string', 'path', func)
    return nil
  end
  check.functions(callbacks, func)
  local timeout = callbacks.timeout
  if type(path) ~= 'string' then
    return callbacks, { [path == nil and 'missingParam' or 'wrongType'] = 'path' }
  elseif timeout and not is_seconds(timeout) then
    return callbacks, { wrongType = 'timeout' }
  end
  return callbacks
end

--- Returns a warning for each unknown key of a table, with the nearest known one.
---@param given table
---@param known table<string, any> the known keys
---@param what string what the warning calls a key, e.g. 'config key'
---@return string[]
function check.unknown_keys(given, known, what)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  return core.unknown_keys(given, names, what)
end

return check
