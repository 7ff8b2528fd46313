--- Which Web pages may open a WebSocket to a daemon in a Lua program.

local daemon = require 'jet.daemon'
local builtin = require 'jet.loop.builtin'
local socket = require 'socket'

local support = require 'spec.support.jetd'

describe('the WebSocket port of jet.daemon', function()
  local loop, instance, lines

  --- Starts a daemon; gives a function that sends an upgrade request and returns the status.
  ---@param options table
  ---@return fun(headers: string): string
  local function started(options)
    local port = support.free_port()
    options.port, options.ws_port, options.loop = 0, port, loop
    options.log = function(text)
      lines[#lines + 1] = text
    end
    instance = daemon.new(options)
    instance.start()
    return function(headers)
      local client = assert(socket.connect('127.0.0.1', port))
      client:settimeout(20)
      assert(client:send('GET / HTTP/1.1\r\n' .. headers .. 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
        .. 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'))
      local status = assert(client:receive '*l'):match '^HTTP/1.1 (%d+)'
      client:close()
      return status
    end
  end

  --- Returns all that the daemon has logged until it stopped.
  ---@return string
  local function log()
    instance.stop()
    instance = nil
    return table.concat(lines, '\n')
  end

  before_each(function()
    loop, lines = builtin.new(), {}
  end)

  after_each(function()
    if instance then
      instance.stop()
      instance = nil
    end
  end)

  local FOREIGN = 'Host: localhost\r\nOrigin: http://evil.example\r\n'
  local REBOUND = 'Host: evil.example\r\nOrigin: http://evil.example\r\n'

  it('is closed to foreign pages on the loopback interface', function()
    local upgrade = started { interface = '127.0.0.1' }
    assert.are.equal('403', upgrade(FOREIGN))
    assert.are.equal('403', upgrade(REBOUND))
    assert.are.equal('101', upgrade 'Host: localhost\r\nOrigin: http://localhost:8000\r\n')
    assert.are.equal('101', upgrade 'Host: 127.0.0.1\r\n')
    local text = log()
    assert.is_truthy(text:find("'http://evil.example' is foreign; allow_origin", 1, true), text)
    assert.is_truthy(text:find("'evil.example' is not this daemon's; allow_host", 1, true), text)
  end)

  it('takes what is allowed, as a string or a list', function()
    local upgrade = started {
      interface = '127.0.0.1',
      allow_origin = 'http://evil.example',
      allow_host = { 'a', 'evil.example' }
    }
    assert.are.equal('101', upgrade(FOREIGN))
    assert.are.equal('101', upgrade(REBOUND))
    assert.are.equal('403', upgrade 'Host: b\r\n')
  end)

  it('logs a foreign page once on all interfaces, and rejects it where an option is given', function()
    local upgrade = started {}
    assert.are.equal('101', upgrade(FOREIGN))
    assert.are.equal('101', upgrade(REBOUND))
    assert.are.equal('101', upgrade(FOREIGN))
    local text = log()
    local _, count = text:gsub('allow_origin', '')
    assert.are.equal(1, count, text)
    upgrade = started { allow_origin = 'http://good.example' }
    assert.are.equal('403', upgrade(FOREIGN))
  end)

  it('names an option that is wrong', function()
    for option, value in pairs { allow_origin = 5, allow_host = { 5 } } do
      local ok, message = pcall(daemon.new, { [option] = value })
      assert.is_false(ok)
      assert.is_truthy(message:find('options.' .. option, 1, true), message)
    end
    local ok, message = pcall(daemon.new({ port = 0, loop = loop, allow_host = 'http://a' }).start)
    assert.is_false(ok)
    assert.is_truthy(message:find("'http://a' is no host name", 1, true), message)
  end)
end)
