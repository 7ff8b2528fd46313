--- The other side of a connection, by script: daemons and peers that send exactly the messages of a test.
--
-- A script is a function that gets a connection and reads like blocking code; it runs as a
-- coroutine on the spec's loop. What it raises fails the spec in `wire.cleanup`.

local core = require 'jet.core'
local loop = require 'spec.support.loop'
local socket = require 'socket'

local wire = {}

local open = {}
local failures = {}

---@class Wire
---@field frames string[] payloads that were read and not yet taken by the script
local Wire = {}
Wire.__index = Wire

--- Returns the 4-byte length in front of a payload.
---@param length integer
---@return string
function wire.header(length)
  local bytes = {}
  for i = 4, 1, -1 do
    bytes[i] = string.char(length % 256)
    length = math.floor(length / 256)
  end
  return table.concat(bytes)
end

--- Returns a whole frame. Tables become JSON.
---@param payload string|table
---@return string
function wire.frame(payload)
  if type(payload) == 'table' then
    payload = assert(core.encode(payload))
  end
  return wire.header(#payload) .. payload
end

local function resume(self)
  if coroutine.status(self.script) == 'dead' then
    return
  end
  local ok, message = coroutine.resume(self.script, self)
  if not ok then
    failures[#failures + 1] = debug.traceback(self.script, tostring(message))
    self:close()
  end
end

--- Cuts what was received into payloads.
local function cut(self)
  while #self.input >= 4 do
    local a, b, c, d = self.input:byte(1, 4)
    local length = ((a * 256 + b) * 256 + c) * 256 + d
    if #self.input < 4 + length then
      return
    end
    self.frames[#self.frames + 1] = self.input:sub(5, 4 + length)
    self.input = self.input:sub(5 + length)
  end
end

local function receive(self)
  local pieces = { self.input }
  local data, reason, partial
  repeat
    data, reason, partial = self.socket:receive(65536)
    pieces[#pieces + 1] = data or partial
  until not data
  self.input = table.concat(pieces)
  cut(self)
  if reason == 'closed' then
    self.ended = true
    loop.adapter.watch(self.fd, nil)
  end
end

--- Sends as much as the socket takes, the rest when it takes more.
local function flush(self)
  local last, _, partial = self.socket:send(self.output)
  self.output = self.output:sub((last or partial) + 1)
end

local function watch(self)
  if self.closed or self.ended then
    return
  end
  loop.adapter.watch(self.fd, self.output == '' and 'r' or 'rw', function(readable, writable)
    if writable and self.output ~= '' then
      flush(self)
    end
    if readable then
      receive(self)
      resume(self)
    end
    watch(self)
  end)
end

local function adopt(client, script)
  client:settimeout(0)
  client:setoption('tcp-nodelay', true)
  local self = setmetatable({
    socket = client,
    fd = client:getfd(),
    input = '',
    output = '',
    frames = {},
    script = coroutine.create(script),
  }, Wire)
  open[#open + 1] = self
  watch(self)
  resume(self)
  return self
end

--- Returns the next payload as text; nil when the other side has closed.
---@return string|nil
function Wire:read_text()
  while #self.frames == 0 do
    if self.ended or self.closed then
      return nil
    end
    coroutine.yield()
  end
  return table.remove(self.frames, 1)
end

--- Returns the next message as a table; nil when the other side has closed.
---@return table|nil
function Wire:read()
  local text = self:read_text()
  return text and assert(core.decode(text))
end

--- Returns the next message, which has to call that method.
---@param method string
---@return table
function Wire:expect(method)
  local text = self:read_text()
  local message = text and assert(core.decode(text))
  if not message or message.method ~= method then
    error(('expected %s, got %s'):format(method, tostring(text)), 2)
  end
  return message
end

--- Sends bytes as they are.
---@param bytes string
function Wire:send_raw(bytes)
  if self.closed then
    return
  end
  self.output = self.output .. bytes
  flush(self)
  watch(self)
end

--- Sends one frame. Tables become JSON.
---@param payload string|table
function Wire:send(payload)
  self:send_raw(wire.frame(payload))
end

--- Answers a message.
---@param message table
---@param result any
function Wire:reply(message, result)
  self:send { id = message.id, result = result }
end

--- Answers the question what this daemon is: like our own one unless a spec says otherwise.
---@param info? table
function Wire:greet(info)
  local message = self:expect 'info'
  self:reply(message, info or { name = 'lua-jet-rs', features = { match = true, batches = true } })
end

--- Answers everything from now on with `true` until the other side closes, and keeps it in `seen`.
function Wire:accept_all()
  self.seen = self.seen or {}
  while true do
    local message = self:read()
    if not message then
      return
    end
    self.seen[#self.seen + 1] = message
    if message.id then
      self:reply(message, true)
    end
  end
end

--- Lets the script go on when the loop has nothing else to do.
function Wire:pass()
  loop.adapter.after(0, function()
    resume(self)
  end)
  coroutine.yield()
end

--- Ends the connection.
function Wire:close()
  if not self.closed then
    self.closed = true
    loop.adapter.watch(self.fd, nil)
    self.socket:close()
  end
end

--- Ends the connection with a reset instead of an orderly end.
function Wire:reset()
  self.socket:setoption('linger', { on = true, timeout = 0 })
  self:close()
end

--- Returns a daemon that runs `script` for each connection.
---@param script fun(connection: Wire)
---@return table server `port`, `connections`, `stop()`
function wire.daemon(script)
  local listener = assert(socket.bind('127.0.0.1', 0))
  listener:settimeout(0)
  local _, port = listener:getsockname()
  local fd = listener:getfd()
  local server = { port = tonumber(port), connections = {} }
  loop.adapter.watch(fd, 'r', function()
    local client = listener:accept()
    if client then
      server.connections[#server.connections + 1] = adopt(client, script)
    end
  end)

  --- Stops listening; connections stay.
  function server.stop()
    if listener then
      loop.adapter.watch(fd, nil)
      listener:close()
      listener = nil
    end
  end

  server.close = server.stop
  open[#open + 1] = server
  return server
end

--- Returns a peer of the daemon at that port.
---@param port integer
---@param script fun(connection: Wire)
---@return Wire
function wire.peer(port, script)
  return adopt(assert(socket.connect('127.0.0.1', port)), script)
end

--- Closes all that was opened and raises what scripts raised.
function wire.cleanup()
  for _, thing in ipairs(open) do
    thing:close()
  end
  open = {}
  local raised = failures
  failures = {}
  if #raised > 0 then
    error('a script failed: ' .. table.concat(raised, '\n'), 0)
  end
end

return wire
