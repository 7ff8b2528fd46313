--- Methods: functions of a peer that other peers call.

local replies = require 'jet.replies'
local Element = require 'jet.element'

local unpack = table.unpack or unpack

---@class jet.MethodDescription
---@field path string
---@field access? jet.Access
---@field call? fun(...): any called with the arguments of the call
---@field call_async? fun(reply: fun(response: table), ...) the same, with a reply that may come later

---@class jet.Method: jet.Element
---@field _desc jet.MethodDescription
local Method = Element.extend('method')

--- Makes a method and adds it to the daemon.
---@param driver jet.Driver
---@param desc jet.MethodDescription
---@param callbacks? jet.Callbacks
---@return jet.Method
function Method.new(driver, desc, callbacks)
  local self = Element.create(Method, driver, desc, {
    _asynchronous = not desc.call,
  })
  self:_assert_not_added()
  self:_add(desc.value, callbacks)
  return self
end

--- Calls a function with the elements of an array. Raises if they do not fit on the stack.
---@param f function
---@param args any[]
---@param count integer
local function spread(f, args, count)
  return f(unpack(args, 1, count))
end

--- Calls a function with one argument and then the elements of an array.
---@param f function
---@param args any[]
---@param count integer
---@param first any
local function spread_behind(f, args, count, first)
  return f(first, unpack(args, 1, count))
end

--- Calls a handler with the arguments of a request: an array is spread, anything else is one argument.
---@param count integer the number of elements of an array; negative for any other value
---@param args any
---@param f function
---@param ... any at most one argument in front
---@return boolean ok
---@return any result or the error that was raised
local function invoke(count, args, f, ...)
  local in_front = select('#', ...) > 0
  if count == 0 then
    return pcall(f, ...)
  elseif count < 0 then
    if in_front then
      return pcall(f, (...), args)
    end
    return pcall(f, args)
  elseif in_front then
    return pcall(spread_behind, f, args, count, (...))
  end
  return pcall(spread, f, args, count)
end

--- Runs a `call_async` handler.
---@param self jet.Method
---@param id string|nil
---@param args any
---@param count integer
local function call_later(self, id, args, count)
  local driver, path = self._driver, self._path
  replies.run(driver, path, 'call_async', function(response)
    if response.error then
      replies.refuse(driver, id, response.error)
    elseif response.result == nil then
      replies.refuse(driver, id, "call_async of '" .. path .. "' replied neither result nor error")
    else
      replies.result(driver, id, response.result, 'result')
    end
  end, function(reply)
    return invoke(count, args, self._desc.call_async, reply)
  end)
end

--- Handles a call of the method.
---@param id string|nil identifies the request in its response; nil for a notification
---@param args any the arguments
---@param count integer see `invoke`
function Method:request(id, args, count)
  if self._asynchronous then
    return call_later(self, id, args, count)
  end
  local ok, result = invoke(count, args, self._desc.call)
  if not ok then
    return replies.refuse(self._driver, id, result)
  end
  if result == nil then
    result = {}
  end
  replies.result(self._driver, id, result, 'result')
end

return Method
