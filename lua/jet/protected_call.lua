--- Calls callbacks of the program. An error that one raises is reported and ends nothing else.

local core = require 'jet.core'
local errors = require 'jet.errors'

local protected = {}

local traceback = debug.traceback

--- Returns a raised value as text, with the traceback.
---@param raised any
---@return string
local function describe(raised)
  return traceback(errors.describe(raised), 2)
end

-- `xpcall` of Lua 5.1 passes no arguments. There they are passed in these locals. The trampoline reads them before any
-- other code runs, so a nested call may overwrite them.
local func, count, a1, a2, a3, a4

-- A callback may be `print`, so it gets exactly the documented arguments.
local function trampoline()
  if count == 1 then
    return func(a1)
  elseif count == 2 then
    return func(a1, a2)
  elseif count == 3 then
    return func(a1, a2, a3)
  end
  return func(a1, a2, a3, a4)
end

local call

if select(2, xpcall(function(...) return ... end, describe, true)) then
  call = function(f, ...)
    return xpcall(f, describe, ...)
  end
else
  call = function(f, ...)
    func, count, a1, a2, a3, a4 = f, select('#', ...), ...
    return xpcall(trampoline, describe)
  end
end

--- Reports a text to a log function, or to standard error if there is none or it raises. Each text is written to standard
-- error at most once a second, and dropped if standard error would block.
---@param log function|false|nil false reports nothing
---@param text string
function protected.report(log, text)
  if log == false or log and pcall(log, text) then
    return
  end
  core.complain(text)
end

--- Calls `f` with one to four arguments. Reports an error that it raises with the traceback.
---@param log function|false|nil where to report, see `report`
---@param f function
---@param ... any
---@return boolean ok whether it returned
---@return any first its first result
function protected.call(log, f, ...)
  local ok, first = call(f, ...)
  if not ok then
    protected.report(log, 'a callback raised an error: ' .. first)
  end
  return ok, first
end

return protected
