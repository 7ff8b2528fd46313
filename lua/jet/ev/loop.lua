--- `ev.Loop`: a loop that runs as long as a watcher that counts is active.

local builtin = require 'jet.loop.builtin'
local IO = require 'jet.ev.io'

---@class jet.ev.Loop
---@field _adapter jet.BuiltinLoop
---@field _references integer active watchers that keep the loop running
---@field _registered integer what watchers have registered with the adapter
---@field _idle table<table, boolean> the active idle watchers
local Loop = {}
Loop.__index = Loop

--- Wraps a built-in loop.
---@param adapter jet.BuiltinLoop
---@return jet.ev.Loop
local function wrap(adapter)
  local loop = setmetatable({
    _adapter = adapter,
    _references = 0,
    _registered = 0,
    _idle = {},
    _depth = 0,
    _iteration = 0,
  }, Loop)
  -- Peers may use the same built-in loop: what they registered counts as well.
  adapter.alive = function()
    return adapter.count() - loop._registered + loop._references > 0
  end
  adapter.on_invalid = function(fd)
    IO.lose(loop, fd)
  end
  return loop
end

local default = wrap(builtin.default())

--- Makes a new loop.
---@return jet.ev.Loop
function Loop.new()
  return wrap(builtin.new())
end

--- Whether this is `ev.Loop.default`.
---@return boolean
function Loop:is_default()
  return self == default
end

--- How many times this loop has waited.
---@return integer
function Loop:iteration()
  return self._iteration
end

--- How many calls of `loop` are under way.
---@return integer
function Loop:depth()
  return self._depth
end

--- Seconds since the epoch, as of the last `update_now`. This loop never caches it.
---@return number
function Loop:now()
  return require('jet.core').wall_clock()
end

--- As `now`.
---@return number
function Loop:update_now()
  return self:now()
end

--- The number libev gives to poll(2).
---@return integer
function Loop:backend()
  return 2
end

--- For processes that forked; poll(2) needs nothing of the kind.
function Loop:fork() -- luacheck: no unused args
end

--- Handles one happening, or the idle watchers if there is none.
---@param self jet.ev.Loop
local function step(self)
  self._iteration = self._iteration + 1
  if next(self._idle) == nil then
    self._adapter.step()
    return
  end
  if self._adapter.step(0) then
    return
  end
  local idle = {}
  for watcher in pairs(self._idle) do
    idle[#idle + 1] = watcher
  end
  for _, watcher in ipairs(idle) do
    if self._idle[watcher] then
      watcher:_call(self, 0x2000)
    end
  end
end

--- Runs until no watcher that counts is active, or until `unloop`.
function Loop:loop()
  local adapter = self._adapter
  self._depth = self._depth + 1
  local ok, raised = pcall(adapter.run, function()
    step(self)
  end)
  self._depth = self._depth - 1
  if not ok then
    error(raised, 0)
  end
end

--- Ends all calls of `loop` that are under way.
function Loop:unloop()
  self._adapter.stop_all()
end

Loop.default = default

return Loop
