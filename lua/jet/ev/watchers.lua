--- The watchers of `jet.ev` for timers, signals, idle loops and `send`.

local check = require 'jet.check'
local core = require 'jet.core'
local Watcher = require 'jet.ev.watcher'

local class, check_loop = Watcher.class, Watcher.check_loop

local TIMER, SIGNAL, ASYNC = 0x100, 0x400, 0x80000

---@class jet.ev.Timer: jet.ev.Watcher
local Timer = class()

--- Makes a timer.
---@param callback fun(loop: jet.ev.Loop, timer: jet.ev.Timer, revents: integer)
---@param after number seconds until the first call
---@param again? number seconds between later calls; 0 or absent for none
---@return jet.ev.Timer
function Timer.new(callback, after, again)
  check.type(callback, 'function', 'on_timeout', 'Timer.new')
  check.type(after, 'number', 'after_seconds', 'Timer.new')
  check.type(again, 'number|nil', 'repeat_seconds', 'Timer.new')
  return Watcher.object({ _callback = callback, _after = after, _repeat = again or 0 }, Timer)
end

--- Starts the timer of the adapter for the next call.
---@param loop jet.ev.Loop
---@param seconds number
function Timer:_arm(loop, seconds)
  loop._registered = loop._registered + 1
  self._cancel = loop._adapter.after(seconds - loop:_behind(), function()
    loop._registered = loop._registered - 1
    self._cancel = nil
    if self._repeat > 0 then
      self:_arm(loop, self._repeat)
    else
      self:stop(loop)
    end
    self:_call(loop, TIMER)
  end)
end

function Timer:_activate(loop)
  self:_arm(loop, self._after)
end

function Timer:_deactivate(loop)
  if self._cancel then
    self._cancel()
    self._cancel = nil
    loop._registered = loop._registered - 1
  end
end

--- Starts the timer again with the repeat time, or stops it if there is none.
---@param loop jet.ev.Loop
---@param seconds? number a new repeat time
function Timer:again(loop, seconds)
  Watcher._check(self, 'again')
  check_loop(loop, 'again')
  check.type(seconds, 'number|nil', 'repeat_seconds', 'again')
  self._repeat = seconds or self._repeat
  local is_daemon = self._daemon
  self:stop(loop)
  if self._repeat > 0 then
    local after = self._after
    self._after = self._repeat
    self:start(loop, is_daemon)
    self._after = after
  end
end

---@class jet.ev.Signal: jet.ev.Watcher
local Signal = class()

--- Makes a watcher of a signal.
---@param callback fun(loop: jet.ev.Loop, signal: jet.ev.Signal, revents: integer)
---@param number integer
---@return jet.ev.Signal
function Signal.new(callback, number)
  check.type(callback, 'function', 'on_signal', 'Signal.new')
  check.type(number, 'number', 'signum', 'Signal.new')
  return Watcher.object({ _callback = callback, _number = number }, Signal)
end

function Signal:_activate(loop)
  local signals, message = core.signals({ self._number })
  if not signals then
    self._loop = nil
    if not self._daemon then
      loop._references = loop._references - 1
    end
    check.fail(message)
  end
  self._signals = signals
  loop._registered = loop._registered + 1
  loop._adapter.watch(signals:fd(), 'r', function()
    repeat
      local more = signals:read()
    until not more
    self:_call(loop, SIGNAL)
  end)
end

function Signal:_deactivate(loop)
  loop._adapter.watch(self._signals:fd(), nil)
  self._signals:close()
  self._signals = nil
  loop._registered = loop._registered - 1
end

---@class jet.ev.Idle: jet.ev.Watcher
local Idle = class()

--- Makes a watcher that is called in each turn without other events.
---@param callback fun(loop: jet.ev.Loop, idle: jet.ev.Idle, revents: integer)
---@return jet.ev.Idle
function Idle.new(callback)
  check.type(callback, 'function', 'on_idle', 'Idle.new')
  return Watcher.object({ _callback = callback }, Idle)
end

function Idle:_activate(loop)
  loop._idle[self] = true
end

function Idle:_deactivate(loop)
  loop._idle[self] = nil
end

---@class jet.ev.Async: jet.ev.Watcher
local Async = class()

--- Makes a watcher that is called after `send`.
---@param callback fun(loop: jet.ev.Loop, async: jet.ev.Async, revents: integer)
---@return jet.ev.Async
function Async.new(callback)
  check.type(callback, 'function', 'on_async', 'Async.new')
  return Watcher.object({ _callback = callback }, Async)
end

-- A timer without end keeps the loop waiting for `send`.
function Async:_activate(loop)
  loop._registered = loop._registered + 1
  self._cancel = loop._adapter.after(math.huge, function() end)
end

function Async:_deactivate(loop)
  loop._registered = loop._registered - 1
  self._cancel()
  self._cancel = nil
end

--- Makes the loop call the watcher, once for several sends.
---@param loop jet.ev.Loop
function Async:send(loop)
  Watcher._check(self, 'send')
  check_loop(loop, 'send')
  if self._pending or self._loop ~= loop then
    return
  end
  self:_call(loop, ASYNC)
  -- Wakes up the loop.
  loop._registered = loop._registered + 1
  loop._adapter.after(0, function()
    loop._registered = loop._registered - 1
  end)
end

return { Timer = Timer, Signal = Signal, Idle = Idle, Async = Async }
