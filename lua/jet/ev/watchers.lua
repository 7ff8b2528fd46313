--- The watchers of `jet.ev`: what is watched, and the callback `(loop, watcher, revents)`.

local check = require 'jet.check'
local core = require 'jet.core'

local READ, WRITE, TIMER, SIGNAL, ASYNC = 0x01, 0x02, 0x100, 0x400, 0x80000

--- What all watchers have in common.
---@class jet.ev.Watcher
---@field _callback fun(loop: jet.ev.Loop, watcher: jet.ev.Watcher, revents: integer)
---@field _loop jet.ev.Loop|nil the loop it is active on
---@field _daemon boolean|nil whether it does not keep the loop running
local Watcher = {}
Watcher.__index = Watcher

--- Makes a class of watchers.
---@return table
local function class()
  local new = setmetatable({}, Watcher)
  new.__index = new
  return new
end

--- Checks the loop argument that most methods take.
---@param loop any
---@param func string
local function check_loop(loop, func)
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
  check_loop(loop, 'start')
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
  check_loop(loop, 'stop')
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

---@class jet.ev.Timer: jet.ev.Watcher
local Timer = class()

--- Makes a timer.
---@param callback fun(loop: jet.ev.Loop, timer: jet.ev.Timer, revents: integer)
---@param after number seconds until it is due first
---@param again? number seconds between later times; none if it is 0 or absent
---@return jet.ev.Timer
function Timer.new(callback, after, again)
  check.type(callback, 'function', 'on_timeout', 'Timer.new')
  check.type(after, 'number', 'after_seconds', 'Timer.new')
  check.type(again, 'number|nil', 'repeat_seconds', 'Timer.new')
  return setmetatable({ _callback = callback, _after = after, _repeat = again or 0 }, Timer)
end

--- Registers the next time it is due.
---@param loop jet.ev.Loop
---@param seconds number
function Timer:_arm(loop, seconds)
  loop._registered = loop._registered + 1
  self._cancel = loop._adapter.after(seconds, function()
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

--- Starts over with the repeat time; stops if there is none.
---@param loop jet.ev.Loop
---@param seconds? number a new repeat time
function Timer:again(loop, seconds)
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

---@class jet.ev.IO: jet.ev.Watcher
local IO = class()

--- Makes a watcher of a descriptor.
---@param callback fun(loop: jet.ev.Loop, io: jet.ev.IO, revents: integer)
---@param fd integer
---@param revents integer READ, WRITE or their sum
---@return jet.ev.IO
function IO.new(callback, fd, revents)
  check.type(callback, 'function', 'on_io', 'IO.new')
  check.type(fd, 'number', 'fd', 'IO.new')
  check.type(revents, 'number', 'revents', 'IO.new')
  if revents ~= READ and revents ~= WRITE and revents ~= READ + WRITE then
    check.fail("bad argument 'revents' to 'IO.new' (READ, WRITE or both expected)", 1)
  end
  return setmetatable({ _callback = callback, _fd = fd, _revents = revents }, IO)
end

--- The descriptor.
---@return integer
function IO:getfd()
  return self._fd
end

--- What all active watchers of a descriptor want together.
---@param list jet.ev.IO[]
---@return string|nil interest
local function interest(list)
  local read, write = '', ''
  for _, watcher in ipairs(list) do
    read = watcher._revents ~= WRITE and 'r' or read
    write = watcher._revents ~= READ and 'w' or write
  end
  return #list > 0 and read .. write or nil
end

--- Tells each watcher of a descriptor what is for it.
---@param loop jet.ev.Loop
---@param list jet.ev.IO[]
---@param readable boolean
---@param writable boolean
local function tell(loop, list, readable, writable)
  local copy = {}
  for position, watcher in ipairs(list) do
    copy[position] = watcher
  end
  for _, watcher in ipairs(copy) do
    local revents = 0
    if readable and watcher._revents ~= WRITE then
      revents = READ
    end
    if writable and watcher._revents ~= READ then
      revents = revents + WRITE
    end
    if revents ~= 0 and watcher._loop == loop then
      watcher:_call(loop, revents)
    end
  end
end

--- Has the loop watch a descriptor for whoever is active on it.
---@param loop jet.ev.Loop
---@param fd integer
local function rewatch(loop, fd)
  local list = loop._io[fd]
  loop._adapter.watch(fd, interest(list), function(readable, writable)
    tell(loop, list, readable, writable)
  end)
  if #list == 0 then
    loop._io[fd] = nil
    loop._registered = loop._registered - 1
  end
end

function IO:_activate(loop)
  loop._io = loop._io or {}
  local list = loop._io[self._fd]
  if not list then
    list = {}
    loop._io[self._fd] = list
    loop._registered = loop._registered + 1
  end
  list[#list + 1] = self
  rewatch(loop, self._fd)
end

function IO:_deactivate(loop)
  local list = loop._io[self._fd]
  for position, watcher in ipairs(list) do
    if watcher == self then
      table.remove(list, position)
      break
    end
  end
  rewatch(loop, self._fd)
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
  return setmetatable({ _callback = callback, _number = number }, Signal)
end

function Signal:_activate(loop)
  local signals, message = core.signals({ self._number })
  if not signals then
    self._loop = nil
    if not self._daemon then
      loop._references = loop._references - 1
    end
    check.fail(message, 2)
  end
  self._signals = signals
  loop._registered = loop._registered + 1
  loop._adapter.watch(signals:fd(), 'r', function()
    while signals:read() do
      self._pending = true
    end
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

--- Makes a watcher that is called whenever nothing else happens.
---@param callback fun(loop: jet.ev.Loop, idle: jet.ev.Idle, revents: integer)
---@return jet.ev.Idle
function Idle.new(callback)
  check.type(callback, 'function', 'on_idle', 'Idle.new')
  return setmetatable({ _callback = callback }, Idle)
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
  return setmetatable({ _callback = callback }, Async)
end

function Async:_activate(_) end

function Async:_deactivate(_) end

--- Has the loop call the watcher; several sends before that are one.
---@param loop jet.ev.Loop
function Async:send(loop)
  check_loop(loop, 'send')
  if self._pending or self._loop ~= loop then
    return
  end
  self._pending = true
  loop._registered = loop._registered + 1
  loop._adapter.after(0, function()
    loop._registered = loop._registered - 1
    if self._pending and self._loop == loop then
      self:_call(loop, ASYNC)
    end
  end)
end

return { Timer = Timer, IO = IO, Signal = Signal, Idle = Idle, Async = Async }
