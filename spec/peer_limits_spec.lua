--- Limits of a peer: what it keeps for a daemon that does not read.

local core = require 'jet.core'
local loop = require 'spec.support.loop'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

-- Larger than all that the kernel keeps of one connection, many times over.
local BLOCK = ('x'):rep(200000)
local REQUESTS = 400

--- Returns a daemon that greets, takes one `add`, then sends `request` many times without reading the answers.
local function deaf_daemon(request)
  return wire.daemon(function(connection)
    connection:greet()
    connection:reply(connection:expect 'add', true)
    connection:expect 'call'
    loop.adapter.watch(connection.fd, nil)
    connection.ended = true
    local id, rest = 0, ''
    local function send()
      if rest == '' then
        id = id + 1
        request.id = id
        rest = wire.frame(request)
      end
      local last, _, partial = connection.socket:send(rest)
      rest = rest:sub((last or partial) + 1)
      if id < REQUESTS and not connection.closed then
        loop.adapter.after(0, send)
      end
    end
    send()
  end)
end

-- A WebSocket server that greets, then sends pings for ever and reads nothing. It prints its port first, and ends
-- with the connection.
local PINGING_DAEMON = [[
exec python3 - 2>&1 <<'END'
import base64, hashlib, signal, socket
signal.alarm(60)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
server.bind(('127.0.0.1', 0))
server.listen()
print(server.getsockname()[1], flush=True)
stream, _ = server.accept()
request = b''
while b'\r\n\r\n' not in request:
    request += stream.recv(4096)
lines = request.decode().split('\r\n')
key = [line.split(': ')[1] for line in lines if line.lower().startswith('sec-websocket-key:')][0]
digest = hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()
head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: jet\r\n'
stream.sendall((head + 'Sec-WebSocket-Accept: ' + base64.b64encode(digest).decode() + '\r\n\r\n').encode())
stream.recv(4096)
greeting = b'{"id":1,"result":{"name":"pinging","version":"1","protocolVersion":"1.0.0","features":{}}}'
stream.sendall(bytes([0x81, len(greeting)]) + greeting)
try:
    while True:
        stream.sendall((b'\x89\x7d' + b'x' * 125) * 100)
except OSError:
    pass
END
]]

describe('A daemon that does not read', function()
  after_each(support.cleanup)

  it('ends the connection with the pongs that it asks for', function()
    local closed = support.recorder()
    local pipe = assert(io.popen(PINGING_DAEMON))
    local url = 'ws://127.0.0.1:' .. pipe:read '*l' .. '/'
    support.connected { url = url, max_unsent = 100000, on_close = closed }
    support.wait(support.count(closed, 1), 'the end')
    pipe:close()
    local reason = 'the daemon does not read: more than 100000 bytes wait to be sent (max_unsent)'
    assert.are.equal(reason, closed[1][2])
    support.take_log()
  end)

  for kind, request in pairs {
    ['answers of the program'] = { method = 'm', params = {} },
    ['answers of the module'] = { method = BLOCK },
  } do
    it('ends the connection with ' .. kind, function()
      local closed = support.recorder()
      local server = deaf_daemon(request)
      local p = support.connected { port = server.port, max_unsent = 1000000, on_close = closed }
      support.result(function(callbacks)
        p:method({ path = 'm', call = function() return BLOCK end }, callbacks)
      end)
      p:call('begin', {})
      support.wait(support.count(closed, 1), 'the end')
      local reason = 'the daemon does not read: more than 1000000 bytes wait to be sent (max_unsent)'
      assert.are.equal(reason, closed[1][2])
      support.take_log()
    end)
  end
end)

describe('On a daemon that takes less', function()
  after_each(support.cleanup)

  local CJET = { name = 'cjet', features = { authentication = true } }

  --- Returns a cjet: it closes the connection on messages of more than 512 bytes.
  local function cjet()
    return wire.daemon(function(connection)
      connection:greet(CJET)
      while true do
        local text = connection:read_text()
        if not text then
          return
        elseif #text > 512 then
          return connection:close()
        end
        local message = assert(core.decode(text))
        if message.id then
          connection:reply(message, message.method == 'get' and { { path = 's', value = 7 } } or {})
        end
      end
    end)
  end

  it('daemon_limits refuses what is too large by the name of the limit', function()
    local p = support.connected { port = cjet().port, daemon_limits = { message = 512 } }
    local pattern = "message of %d+ bytes exceeds the daemon's limit of 512 %(daemon_limits.message%)"
    support.raises_here(function() p:set('s', BLOCK) end, pattern)
    assert.is_true(support.result(function(callbacks) p:set('s', 'small', callbacks) end))
  end)

  it('daemon_limits is checked', function()
    local function new(limits)
      return function() peer.new { daemon_limits = limits } end
    end
    support.raises_here(new { mesage = 512 }, 'mesage.*message')
    support.raises_here(new { message = '512' }, 'config.daemon_limits.message')
    support.raises_here(new { message = 0 }, 'config.daemon_limits.message.*whole number of at least 1 expected')
    support.raises_here(new(5), 'config.daemon_limits')
  end)

  it('a connection that is lost after a larger message names the probable limit', function()
    local closed = support.recorder()
    local p = support.connected { port = cjet().port, on_close = closed }
    p:set('s', ('x'):rep(600))
    support.wait(support.count(closed, 1), 'the end')
    local hint = 'cjet takes messages of up to 512 bytes'
    assert.is_truthy(closed[1][2]:find('after a message of %d+ bytes: ' .. hint), closed[1][2])
    support.wait_log(hint)
  end)

  it('valueAsResult gets the value that the daemon sends', function()
    local p = support.connected { port = cjet().port }
    assert.are.equal(7, support.result(function(callbacks) p:set('s', 5, callbacks) end, { valueAsResult = true }))
    assert.is_true(support.result(function(callbacks) p:set('s', 5, callbacks) end))
  end)
end)
