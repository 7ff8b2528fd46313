--- `ev.Loop`: a loop that runs while a watcher is active that is not a daemon (see `Watcher:start`).

local builtin = require 'jet.loop.builtin'
local check = require 'jet.check'
local core = require 'jet.core'
local protected = require 'jet.protected_call'
local IO = require 'jet.ev.io'
local Watcher = require 'jet.ev.watcher'

local IDLE = 0x2000
local MINPRI, MAXPRI = -2, 2

-- The number of libev for poll(2), which this loop waits with.
local BACKEND_POLL = 2

---@class jet.ev.Loop
---@field _adapter jet.BuiltinLoop
---@field _references integer number of active watchers that keep the loop running
---@field _registered integer number of descriptors and timers that watchers have registered with the adapter
---@field _idle table<table, boolean> the active idle watchers
---@field _queues table<integer, table> pending watchers by priority, from `first` to `last`
---@field _now number seconds since the epoch, as of this turn
---@field _turn number the same on the clock of `core.now`
local Loop = {}
Loop.__index = Loop

--- Wraps a built-in loop.
---@param adapter jet.BuiltinLoop
---@param backend? integer
---@return jet.ev.Loop
local function wrap(adapter, backend)
  local queues = {}
  for priority = MINPRI, MAXPRI do
    queues[priority] = { first = 1, last = 0 }
  end
  local loop = Watcher.object({
    _adapter = adapter,
    _references = 0,
    _registered = 0,
    _idle = {},
    _depth = 0,
    _iteration = 0,
    _queues = queues,
    _backend = backend or BACKEND_POLL,
  }, Loop)
  loop:update_now()
  -- Peers that use the same built-in loop keep it running, too.
  adapter.alive = function()
    return adapter.count() - loop._registered + loop._references > 0
  end
  adapter.on_invalid = function(fd)
    IO.lose(loop, fd)
  end
  return loop
end

--- Makes a new loop.
---@param flags? integer a backend of libev; `backend` returns it, but this loop always waits with poll(2)
---@return jet.ev.Loop
function Loop.new(flags)
  local known = flags == 1 or flags == 4 or flags == 8 or flags == 16 or flags == 32
  return wrap(builtin.new(), known and flags or nil)
end

--- Returns whether this is `ev.Loop.default`.
---@return boolean
function Loop:is_default()
  check.receiver(Watcher.is_loop(self), 'is_default')
  return self == Loop.default
end

--- Returns how many times this loop has waited.
---@return integer
function Loop:iteration()
  check.receiver(Watcher.is_loop(self), 'iteration')
  return self._iteration
end

--- The name of `iteration` in earlier versions of lua-ev.
Loop.count = Loop.iteration

--- Returns the number of active calls of `loop`.
---@return integer
function Loop:depth()
  check.receiver(Watcher.is_loop(self), 'depth')
  return self._depth
end

--- Returns the seconds since the epoch at the beginning of this turn, or at the last `update_now`.
---@return number
function Loop:now()
  check.receiver(Watcher.is_loop(self), 'now')
  return self._now
end

--- Reads the clock and returns the time.
---@return number now
function Loop:update_now()
  check.receiver(Watcher.is_loop(self), 'update_now')
  self._now, self._turn = core.wall_clock(), core.now()
  return self._now
end

--- Returns the age of this turn. Timers that are started in it start at its beginning.
---@return number seconds 0 outside of `loop`
function Loop:_behind()
  return self._depth > 0 and core.now() - self._turn or 0
end

--- Returns the number of a backend of libev.
---@return integer
function Loop:backend()
  check.receiver(Watcher.is_loop(self), 'backend')
  return self._backend
end

--- Does nothing: after a fork, poll(2) works as before.
function Loop:fork()
  check.receiver(Watcher.is_loop(self), 'fork')
end

--- Queues a watcher for a call in this turn.
---@param watcher jet.ev.Watcher
---@param revents integer
function Loop:_queue(watcher, revents)
  local before = watcher._pending
  if before then
    -- Only READ and WRITE can occur together.
    if before ~= revents and before ~= 3 then
      watcher._pending = revents == 3 and 3 or before + revents
    end
    return
  end
  watcher._pending = revents
  local queue = self._queues[watcher._priority]
  queue.last = queue.last + 1
  queue[queue.last] = watcher
end

--- Removes and returns the next pending watcher, in the order of priorities.
---@param self jet.ev.Loop
---@return jet.ev.Watcher|nil
local function take(self)
  for priority = MAXPRI, MINPRI, -1 do
    local queue = self._queues[priority]
    while queue.first <= queue.last do
      local watcher = queue[queue.first]
      queue[queue.first] = nil
      queue.first = queue.first + 1
      if watcher._pending then
        return watcher
      end
    end
  end
end

--- Calls the pending watchers. Prints the error of a callback, like lua-ev.
---@param self jet.ev.Loop
local function invoke(self)
  local watcher = take(self)
  while watcher do
    local revents = watcher._pending
    watcher._pending = nil
    local ok, text = protected.call(false, watcher._callback, self, watcher, revents)
    if not ok then
      core.print_error('CALLBACK FAILED: ' .. tostring(text))
    end
    watcher = take(self)
  end
end

--- Queues the idle watchers of the highest priority.
---@param self jet.ev.Loop
local function queue_idle(self)
  local highest = MINPRI
  for watcher in pairs(self._idle) do
    highest = math.max(highest, watcher._priority)
  end
  for watcher in pairs(self._idle) do
    if watcher._priority == highest then
      self:_queue(watcher, IDLE)
    end
  end
end

--- Waits and calls the watchers whose event has occurred, or else the idle watchers.
---@param self jet.ev.Loop
local function step(self)
  self._iteration = self._iteration + 1
  local adapter, is_idle = self._adapter, next(self._idle) ~= nil
  local happened = adapter.step(is_idle and 0 or nil)
  self:update_now()
  while adapter.more() do
    happened = adapter.step(0) or happened
  end
  if is_idle and not happened then
    queue_idle(self)
  end
  invoke(self)
end

--- Runs until no watcher keeps the loop running, or until `unloop`.
function Loop:loop()
  check.receiver(Watcher.is_loop(self), 'loop')
  local adapter = self._adapter
  if not adapter.alive() then
    self._iteration = self._iteration + 1
  end
  self._depth = self._depth + 1
  self:update_now()
  local ok, raised = pcall(adapter.run, function()
    step(self)
  end)
  self._depth = self._depth - 1
  if not ok then
    error(raised, 0)
  end
end

--- Ends all active calls of `loop`.
function Loop:unloop()
  check.receiver(Watcher.is_loop(self), 'unloop')
  self._adapter.stop_all()
end

Loop.default = wrap(builtin.default())

return Loop
