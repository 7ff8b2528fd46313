--- What the watchers of `jet.ev` have in common; the kinds of watchers are in files beside this one.

local check = require 'jet.check'

--- What all watchers have in common.
---@class jet.ev.Watcher
---@field _callback fun(loop: jet.ev.Loop, watcher: jet.ev.Watcher, revents: integer)
---@field _loop jet.ev.Loop|nil the loop it is active on
---@field _daemon boolean|nil whether it does not keep the loop running
local Watcher = {}
Watcher.__index = Watcher

--- Makes a class of watchers.
---@return table
function Watcher.class()
  local new = setmetatable({}, Watcher)
  new.__index = new
  return new
end

--- Checks the loop argument that most methods take.
---@param loop any
---@param func string
function Watcher.check_loop(loop, func)
  if type(loop) ~= 'table' or not loop._adapter then
    local message = "bad argument 'loop' to '%s' (loop of jet.ev expected, got %s)"
    check.fail(message:format(func, type(loop)), 2)
  end
end

--- Calls the program back.
---@param loop jet.ev.Loop
---@param revents integer
function Watcher:_call(loop, revents)
  self._pending = false
  self._callback(loop, self, revents)
end

--- Activates the watcher on a loop.
---@param loop jet.ev.Loop
---@param is_daemon? boolean whether the loop may end while the watcher is active
function Watcher:start(loop, is_daemon)
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
  Watcher.check_loop(loop, 'stop')
  if self._loop then
    local active = self._loop
    self:_deactivate(active)
    if not self._daemon then
      active._references = active._references - 1
    end
    self._loop, self._pending = nil, false
  end
end

--- Whether the watcher is active.
---@return boolean
function Watcher:is_active()
  return self._loop ~= nil
end

--- Whether it has something to tell and its callback has not been called yet.
---@return boolean
function Watcher:is_pending()
  return self._pending == true
end

--- Forgets what it has to tell.
---@return integer revents 0
function Watcher:clear_pending()
  self._pending = false
  return 0
end

--- Reads the callback, or replaces it.
---@param new? function
---@return function old
function Watcher:callback(new)
  local old = self._callback
  if new ~= nil then
    check.type(new, 'function', 'callback', 'callback')
    self._callback = new
  end
  return old
end

--- The priority; this loop has only one.
---@return integer
function Watcher:priority() -- luacheck: no unused args
  return 0
end

return Watcher
