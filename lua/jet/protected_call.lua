--- Calls into the program: whatever a callback raises is reported and stops nothing.

local core = require 'jet.core'
local errors = require 'jet.errors'

local protected = {}

local traceback = debug.traceback

--- Makes a message out of whatever was raised, with the traceback.
---@param raised any
---@return string
local function describe(raised)
  return traceback(errors.describe(raised), 2)
end

-- Lua 5.1 passes no arguments through xpcall. There they travel in these locals, which are read
-- before anything else can run, so a nested call may overwrite them.
local func, count, a1, a2, a3, a4

-- Callbacks may be `print`: they get exactly the arguments that the document promises.
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

--- Reports to a log function, or to standard error if there is none or it fails itself. Standard error gets each text
-- at most once a second, and a line that it has no room for is dropped.
---@param log function|false|nil false reports nothing
---@param text string
function protected.report(log, text)
  if log == false or log and pcall(log, text) then
    return
  end
  core.complain(text)
end

--- Calls `f` with one to four arguments. What it raises is reported with its traceback.
---@param log function|false|nil where to report, see `report`
---@param f function
---@param ... any
---@return boolean ok whether it returned
---@return any first what it returned first
function protected.call(log, f, ...)
  local ok, first = call(f, ...)
  if not ok then
    protected.report(log, 'a callback raised an error: ' .. first)
  end
  return ok, first
end

return protected
