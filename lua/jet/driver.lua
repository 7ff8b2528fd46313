--- The driver connects the engine of one peer to its socket and its event loop.
--
-- It decides when to read, when to write and when the connection has ended. `jet.dispatch` hands events of the engine
-- to their receivers, `jet.requests` keeps the callbacks of open requests.

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
---@field peer table the peer object of the program
---@field log function|false|nil nil writes to standard error, false drops reports
---@field requests jet.Requests
---@field elements table<integer, table> elements by key, each with `request(self, id, ...)`
---@field owned table<string, table> elements by the path whose requests they handle
---@field fetchers table<integer, jet.Fetcher>
---@field warned table<string, boolean> the warnings that have been reported
---@field closed string|nil why the connection has ended
---@field failure string|nil the same, if the connection could not be opened or was lost
---@field refusal table|nil the error of the login, if that ended the connection
local Driver = {}
Driver.__index = Driver

-- Number of fields of one event; `lua::peer_events` writes them.
local STRIDE = 5

-- Messages or events of one turn of the loop after which the output is written. Then other processes handle the first
-- messages while this one handles the rest; with a smaller number the system calls cost more than that saves.
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

--- Converts a value to JSON for a later call of the engine.
---@param value any
---@param name string names the value in the error
---@return integer|nil staged the number to pass to the engine; nil if the value cannot be sent
---@return string|nil message the part of the value that cannot be sent, and its place
function Driver:stage(value, name)
  return core.stage(value, name, self.max_message, self.max_depth, self.refuse_latin1)
end

--- Reports a text to the log.
---@param text string
function Driver:note(text)
  protected.report(self.log, text)
end

--- Reports each of these texts once for this peer.
---@param texts string[]
function Driver:warn(texts)
  for _, text in ipairs(texts) do
    if not self.warned[text] then
      self.warned[text] = true
      self:note(text)
    end
  end
end

--- Begins to connect. A failure calls `on_close`, like the loss of a connection.
function Driver:start()
  local ok, reason = self.engine:dial()
  if not ok then
    return self:lost(reason, true)
  end
  if self.introduces and not self.blocking then
    -- The name and encoding follow the requests that the program sends in this turn of the loop.
    self.adapter.after(0, function()
      self:ready(false, false)
    end)
    return
  end
  -- Even if the connection is open or refused at once, callbacks are called from the loop.
  self.starting = true
  self:ready(false, false)
  self.starting = false
end

--- Returns the descriptor to watch and the direction. Calls `forked` of the adapter first if this process was forked.
---@return integer|nil fd
---@return string|nil interest
function Driver:descriptor()
  local fd, interest, is_forked = self.engine:watch()
  if is_forked and self.adapter.forked then
    self.adapter.forked()
  end
  return fd, interest
end

--- Watches the descriptor and starts the timer that the connection needs now.
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
      -- A finalizer that ran in `watch` has closed the peer.
      self.adapter.watch(fd, nil)
    end
  end
  self:rearm_timer()
end

--- Starts the timer for what the engine does without input, such as deadlines.
function Driver:rearm_timer()
  if self.blocking then
    -- A blocking call waits until the deadline itself.
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
      -- A finalizer that ran in `after` has closed the peer: the loop must not wait for this timer.
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

--- Handles a descriptor that is ready, or a deadline that has passed.
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
    -- Also in a nested loop, which may wait for the response to a queued request.
    self:flush()
    self:rearm()
  end
end

--- Runs the engine and hands out its events.
---@param readable boolean
function Driver:pump(readable)
  -- In a nested loop, the remaining events of the outer batch come first.
  self:drain()
  if self.closed then
    return
  end
  local posted, reason = self.engine:drive(readable)
  if posted then
    -- Creating the values can run finalizers, which may run a nested loop. So each batch has its own table, which is
    -- reused after the batch has been handed out.
    local events = self.spare or {}
    self.spare = nil
    local count = core.take(posted, events)
    if self.closed then
      -- A finalizer that ran in `take` has closed the peer.
      return
    end
    self.events, self.cursor, self.count = events, 0, count
    if self.starting and not self.blocking then
      -- `peer.new` has not returned yet, so the program does not have its peer.
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

--- Hands out the events of the current batch in order. A nested call continues with the event after that of the outer
-- call.
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

--- Writes the output now. The rest follows when the socket is writable again.
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

--- Notes that a message was queued. Outside of callbacks and batches the first one of a turn is written at once. Those
-- that follow in the same turn are written together: when the loop reports 'writable', or when they are many.
function Driver:kick()
  if self.batching > 0 or not self.up or self.closed then
    return
  end
  if self.turn then
    self.waiting = self.waiting + 1
    if self.depth == 0 and self.waiting == MESSAGES_BETWEEN_WRITES then
      self.waiting = 0
      self:flush()
      -- Still the same turn: the descriptor is watched already.
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

--- Returns the timeout of a request. Warns if it is not positive: it is sent, because programs for the earlier module may
-- use it, but no owner can respond in time.
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

--- Ends the connection because it cannot be opened or is lost.
---@param reason string for `on_close`
---@param later boolean|nil whether callbacks are called from the loop instead of by this call
function Driver:lost(reason, later)
  if not self.closed then
    self.failure = reason
    self:close(reason, later)
  end
end

--- Ends the connection. Output is sent as far as the socket accepts it at once.
---@param reason string for `on_close`
---@param later boolean|nil whether callbacks are called from the loop instead of by this call
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
    -- A blocking peer without a connection raises the reason instead.
    protected.report(nil, ('%s: %s'):format(self.up and 'connection lost' or 'no connection', self.failure))
  end
  peer_loops.review(self.adapter)
end

--- Runs the loop until the connection has ended, a signal comes or the loop is stopped.
---@param signals integer[] signal numbers; none are watched if it is empty
---@return boolean|nil done nil if the signals cannot be watched
---@return string|nil message
function Driver:loop(signals)
  local requests = self.requests
  requests:await_deferred()
  if requests:is_over() then
    return true
  end
  self:flush()
  -- After a fork another process may own the connection; then a timer checks that again.
  self:rearm()
  return peer_loops.run(self.adapter, function()
    return requests:is_over()
  end, signals)
end

return Driver
