--- Drives one connection: the loop on one side, the engine (`jet.core`) on the other.
--
-- What lives here: when to read, write and give up, and the callbacks of open requests. Whom an event
-- is for is in `jet.dispatch`.

local caller = require 'jet.caller'
local core = require 'jet.core'
local dispatch = require 'jet.dispatch'
local protected = require 'jet.protected_call'
local Requests = require 'jet.requests'
local keys = require 'jet.keys'
local peer_loops = require 'jet.peer_loops'

---@class jet.Driver
---@field engine userdata the engine and its socket
---@field adapter jet.Adapter the loop
---@field peer table the peer object the program has
---@field log function|false|nil nil reports to standard error, false nowhere
---@field requests jet.Requests
---@field elements table<integer, table> elements by key, each with `request(self, id, ...)`
---@field owned table<string, table> the element that gets the requests for a path
---@field fetchers table<integer, jet.Fetcher>
---@field warned table<string, boolean> warnings that were reported
---@field closed string|nil why there is no connection any more
---@field failure string|nil the same if the connection could not be made or was lost
---@field refusal table|nil the error of the login if that is why
local Driver = {}
Driver.__index = Driver

-- Events come in rows of this many fields; `lua::peer` writes them.
local STRIDE = 5

-- What one turn of the loop brings leaves in one write, but after so many events or messages: then the
-- other processes work on the first ones while the rest is handled. With fewer the system calls would
-- cost more than that gains.
local MESSAGES_BETWEEN_WRITES = 32

--- Makes the driver of a peer.
---@param engine userdata from `core.peer`
---@param adapter jet.Adapter
---@param given jet.Config
---@return jet.Driver
function Driver.new(engine, adapter, given)
  return setmetatable({
    engine = engine,
    adapter = adapter,
    log = given.log,
    on_connect = given.on_connect,
    on_close = given.on_close,
    event_first = given.event_first,
    introduces = given.name ~= nil or given.encoding ~= nil,
    max_message = given.max_message,
    max_depth = given.max_depth,
    refuse_latin1 = given.invalid_utf8 == 'error',
    requests = Requests.new(adapter, given.log),
    elements = {},
    owned = {},
    last_key = 0,
    fetchers = {},
    warned = {},
    events = {},
    cursor = 0,
    count = 0,
    depth = 0,
    batching = 0,
    waiting = 0,
  }, Driver)
end

--- Makes a value ready to be sent by the next call of the engine.
---@param value any
---@param name string what the value is, for the error
---@return integer|nil staged what that call takes; nil if the value cannot be sent
---@return string|nil message what cannot be sent and where it is
function Driver:stage(value, name)
  return core.stage(value, name, self.max_message, self.max_depth, self.refuse_latin1)
end

--- Reports something the program did not ask for.
---@param text string
function Driver:note(text)
  protected.report(self.log, text)
end

--- Reports each of these texts, unless this peer has reported it before.
---@param texts string[]
function Driver:warn(texts)
  for _, text in ipairs(texts) do
    if not self.warned[text] then
      self.warned[text] = true
      self:note(text)
    end
  end
end

--- Begins to connect. A failure is told through `on_close`, like any later one.
function Driver:start()
  local ok, reason = self.engine:dial()
  if not ok then
    return self:lost(reason, true)
  end
  if self.introduces and not self.blocking then
    -- The name and encoding are sent behind what the program asks for in this turn of the loop.
    self.adapter.after(0, function()
      self:ready(false, false)
    end)
    return
  end
  -- The connection may be there or refused at once; callbacks come from the loop all the same.
  self.starting = true
  self:ready(false, false)
  self.starting = false
end

--- The descriptor to watch and for what. In a process that was forked the loop is told of that before.
---@return integer|nil fd
---@return string|nil interest
function Driver:descriptor()
  local fd, interest, is_forked = self.engine:watch()
  if is_forked and self.adapter.forked then
    self.adapter.forked()
  end
  return fd, interest
end

--- Tells the loop what the connection waits for now.
function Driver:rearm()
  -- A blocking peer waits for its connection itself.
  if self.closed or self.blocking then
    return
  end
  local fd, interest = self:descriptor()
  if self.turn and interest == 'r' then
    interest = 'rw'
  end
  if fd == self.fd and interest == self.interest then
    return self:rearm_timer()
  end
  local before = self.fd
  if before and fd ~= before then
    self.adapter.watch(before, nil)
  end
  self.fd, self.interest = fd, interest
  if fd then
    self.on_ready = self.on_ready or function(readable, writable)
      self:ready(readable, writable)
    end
    self.adapter.watch(fd, interest, self.on_ready)
    if self.closed then
      -- A finalizer that ran meanwhile has closed the peer.
      self.adapter.watch(fd, nil)
    end
  end
  self:rearm_timer()
end

--- Has the loop come back when the engine has something to do without input.
function Driver:rearm_timer()
  if self.blocking then
    -- Who waits comes back by itself when a deadline is due.
    return
  end
  local seconds = not self.closed and self.engine:timer()
  self:forget_timer()
  if seconds then
    self.cancel_timer = self.adapter.after(seconds, function()
      self.cancel_timer = nil
      self:ready(false, false)
    end)
    if self.closed then
      -- A finalizer that ran meanwhile has closed the peer: the loop would wait for nothing.
      self:forget_timer()
    end
  end
end

function Driver:forget_timer()
  local cancel = self.cancel_timer
  self.cancel_timer = nil
  if cancel then
    cancel()
  end
end

--- The loop says that the connection can be read or written, or that a deadline has come.
---@param readable boolean
---@param writable boolean
function Driver:ready(readable, writable)
  if self.closed then
    return
  end
  if writable then
    self.turn = false
  end
  self.depth = self.depth + 1
  self:pump(readable)
  self.depth = self.depth - 1
  if not self.closed then
    -- Also in a nested loop: what it waits for may be the answer to what is queued.
    self:flush()
    self:rearm()
  end
end

--- Lets the engine work and handles what comes of it.
---@param readable boolean
function Driver:pump(readable)
  -- A callback may run a nested loop: what is left of the outer batch comes first.
  self:drain()
  if self.closed then
    return
  end
  local posted, reason = self.engine:drive(readable)
  if posted then
    -- To make the values can run finalizers of the program, and these a nested loop: each batch
    -- has a table of its own, used again when it was handed out.
    local events = self.spare or {}
    self.spare = nil
    local count = core.take(posted, events)
    if self.closed then
      -- A finalizer that ran meanwhile has closed the peer.
      return
    end
    self.events, self.cursor, self.count = events, 0, count
    if self.starting and not self.blocking then
      -- A quick daemon has answered, but the program has not got its peer yet.
      self.adapter.after(0, function()
        self:ready(false, false)
      end)
    else
      self:drain()
      self.spare = events
    end
  end
  if reason and not self.closed then
    self:lost(reason)
  end
end

--- Hands out the events of the current batch, in order. A nested call goes on where the outer
-- one stands.
function Driver:drain()
  local events = self.events
  while self.cursor < self.count do
    local at = self.cursor
    self.cursor = at + STRIDE
    local c, d = events[at + 4], events[at + 5]
    events[at + 4], events[at + 5] = false, false
    dispatch[events[at + 1]](self, events[at + 2], events[at + 3], c, d)
    if self.cursor % (MESSAGES_BETWEEN_WRITES * STRIDE) == 0 and self.batching == 0 then
      self:flush()
    end
  end
end

--- Sends what is queued now; what the socket does not take goes when it is writable again.
function Driver:flush()
  if self.closed then
    return
  end
  local left, reason = self.engine:flush()
  self.turn = left or false
  if reason then
    self:lost(reason, true)
  end
end

--- Something was queued. Outside of everything it leaves at once, and what follows in the same
-- turn of the loop leaves together, when the loop says 'writable' or when it has become many.
function Driver:kick()
  if self.batching > 0 or not self.up or self.closed then
    return
  end
  if self.turn then
    self.waiting = self.waiting + 1
    if self.depth == 0 and self.waiting == MESSAGES_BETWEEN_WRITES then
      self.waiting = 0
      self:flush()
      -- It is the same turn still, and the loop has been told.
      self.turn = true
    end
    return
  end
  self.waiting = 0
  if self.depth == 0 then
    self:flush()
  end
  if not self.closed then
    self.turn = true
    self:rearm()
  end
end

--- Returns the time-out of a request. Warns of one that is over at once: the daemon takes it, as earlier programs may
-- count on, but no owner can respond in time.
---@param callbacks jet.Callbacks|nil
---@param func string the function that the program called
---@param path? string
---@return number|nil seconds
function Driver:timeout_of(callbacks, func, path)
  local seconds = callbacks and callbacks.timeout or nil
  if seconds and seconds <= 0 then
    local subject = path and ("%s '%s'"):format(func, path) or func
    local text = '%s%s: positive number of seconds expected as timeout, got %s: the request fails at once'
    self:warn { text:format(caller.position(), subject, tostring(seconds)) }
  end
  return seconds
end

--- Keeps the callbacks of a request that was sent.
---@param id integer|true what the engine returned
---@param callbacks jet.Callbacks|nil
---@param hook? jet.ResponseHook
function Driver:sent(id, callbacks, hook)
  if callbacks and not (callbacks.success or callbacks.error or callbacks.timeout) then
    keys.check_callbacks(self, callbacks)
  end
  if id ~= true then
    self.requests:keep(id, callbacks, hook)
  end
  self:kick()
end

--- Ends the connection because it cannot be made or is lost.
---@param reason string for `on_close`
---@param later boolean|nil whether to call back from the loop instead of right now
function Driver:lost(reason, later)
  if not self.closed then
    self.failure = reason
    self:close(reason, later)
  end
end

--- Ends the connection; what is queued is sent as far as the socket takes it.
---@param reason string for `on_close`
---@param later boolean|nil whether to call back from the loop instead of right now
function Driver:close(reason, later)
  if self.closed then
    return
  end
  self.closed = reason
  self.requests:close(self.failure ~= nil)
  self:forget_timer()
  local fd = self.fd
  self.fd = nil
  if fd then
    self:descriptor()
    self.adapter.watch(fd, nil)
  end
  local notice = self.engine:fork_notice()
  if notice then
    self:note(notice)
  end
  self.engine:close()
  self.cursor, self.count, self.events = 0, 0, {}
  if later or self.starting then
    self.adapter.after(0, function()
      self:finish()
    end)
  else
    self:finish()
  end
end

--- Fails the open requests, then calls `on_close`.
function Driver:finish()
  self.requests:fail_all()
  if self.on_close and self.refusal then
    protected.call(self.log, self.on_close, self.peer, self.closed, self.refusal)
  elseif self.on_close then
    protected.call(self.log, self.on_close, self.peer, self.closed)
  elseif self.failure and self.log == nil and (self.up or not self.blocking) then
    -- A blocking peer that does not get a connection raises the reason.
    protected.report(nil, ('%s: %s'):format(self.up and 'connection lost' or 'no connection', self.failure))
  end
  peer_loops.review(self.adapter)
end

--- Runs the loop until the connection has ended, a signal comes or the loop is stopped.
---@param signals integer[] signal numbers; none are watched if it is empty
---@return boolean|nil done nil if these signals cannot be watched
---@return string|nil message
function Driver:loop(signals)
  local requests = self.requests
  requests:await_deferred()
  if requests:is_over() then
    return true
  end
  self:flush()
  -- In a process that was forked another one may have the connection; then there is a timer to look again.
  self:rearm()
  return peer_loops.run(self.adapter, function()
    return requests:is_over()
  end, signals)
end

return Driver
