--- The base class of the watchers of `jet.ev`.

local check = require 'jet.check'
local core = require 'jet.core'

local MINPRI, MAXPRI = -2, 2

-- The objects that `ev.object_count` counts.
local objects = setmetatable({}, { __mode = 'k' })

--- The methods that all watchers have.
---@class jet.ev.Watcher
---@field _callback fun(loop: jet.ev.Loop, watcher: jet.ev.Watcher, revents: integer)
---@field _loop jet.ev.Loop|nil the loop it is active on
---@field _daemon boolean|nil whether the loop may end while it is active
---@field _pending integer|nil the events that it is called with in this turn
---@field _priority integer
local Watcher = { _priority = 0 }
Watcher.__index = Watcher

--- Makes a loop or watcher and counts it until it is collected. It is a userdata, as in lua-ev. `fields` holds its fields,
-- also those that are assigned later.
---@generic T
---@param fields table
---@param class T
---@return T object
function Watcher.object(fields, class)
  local object = core.object(setmetatable(fields, class))
  objects[object] = true
  return object
end

--- Returns the number of loops and watchers.
---@return integer
function Watcher.count()
  local n = 0
  for _ in pairs(objects) do
    n = n + 1
  end
  return n
end

--- Makes a class of watchers.
---@return table
function Watcher.class()
  local new = setmetatable({}, Watcher)
  new.__index = new
  return new
end

--- Returns a field of an object of `jet.ev`, or nil for any other value. Reading a field of another library's userdata
-- could raise.
---@param value any
---@param name string
---@return any
local function field_of(value, name)
  local meta = type(value) == 'userdata' and getmetatable(value)
  local fields = type(meta) == 'table' and rawget(meta, '__index')
  return type(fields) == 'table' and rawget(fields, name) or nil
end

--- Returns whether a value is a loop of `jet.ev`.
---@param value any
---@return boolean
function Watcher.is_loop(value)
  return field_of(value, '_adapter') ~= nil
end

--- Raises unless a method was called on a watcher.
---@param value any
---@param func string
function Watcher._check(value, func)
  check.receiver(field_of(value, '_callback') ~= nil and value[func] ~= nil, func)
end

--- Checks the loop argument that most methods take.
---@param loop any
---@param func string
function Watcher.check_loop(loop, func)
  if not Watcher.is_loop(loop) then
    local message = "bad argument 'loop' to '%s' (loop of jet.ev expected, got %s)"
    check.fail(message:format(func, type(loop)))
  end
end

--- Makes the loop call the watcher in this turn.
---@param loop jet.ev.Loop
---@param revents integer
function Watcher:_call(loop, revents)
  loop:_queue(self, revents)
end

--- Activates the watcher on a loop.
---@param loop jet.ev.Loop
---@param is_daemon? boolean whether the loop may end while the watcher is active
function Watcher:start(loop, is_daemon)
  Watcher._check(self, 'start')
  Watcher.check_loop(loop, 'start')
  if self._loop then
    return
  end
  self._loop, self._daemon = loop, is_daemon and true or false
  if not self._daemon then
    loop._references = loop._references + 1
  end
  self:_activate(loop)
end

--- Deactivates the watcher.
---@param loop jet.ev.Loop
function Watcher:stop(loop)
  Watcher._check(self, 'stop')
  Watcher.check_loop(loop, 'stop')
  if self._loop then
    local active = self._loop
    self:_deactivate(active)
    if not self._daemon then
      active._references = active._references - 1
    end
    self._loop = nil
  end
  self._pending = nil
end

--- Returns whether the watcher is active.
---@return boolean
function Watcher:is_active()
  Watcher._check(self, 'is_active')
  return self._loop ~= nil
end

--- Returns whether an event has occurred that the callback has not been called for.
---@return boolean
function Watcher:is_pending()
  Watcher._check(self, 'is_pending')
  return self._pending ~= nil
end

--- Discards the pending events and returns them.
---@return integer revents 0 for none
function Watcher:clear_pending()
  Watcher._check(self, 'clear_pending')
  local revents = self._pending
  self._pending = nil
  return revents or 0
end

--- Returns the callback, or replaces it.
---@param new? function
---@return function old
function Watcher:callback(new)
  Watcher._check(self, 'callback')
  local old = self._callback
  if new ~= nil then
    check.type(new, 'function', 'callback', 'callback')
    self._callback = new
  end
  return old
end

--- Returns the priority, or replaces it. In a turn of the loop, watchers of a higher priority are called first. Idle
-- watchers are called only if none of a higher priority is active.
---@param new? integer from -2 to 2
---@return integer old
function Watcher:priority(new)
  Watcher._check(self, 'priority')
  local old = self._priority
  if new ~= nil then
    check.type(new, 'number', 'priority', 'priority')
    if new % 1 ~= 0 or new < MINPRI or new > MAXPRI then
      check.fail(("bad argument 'priority' to 'priority' (%d to %d expected, got %s)"):format(MINPRI, MAXPRI, tostring(new)))
    end
    self._priority = new
  end
  return old
end

return Watcher
