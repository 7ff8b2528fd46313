--- Limits of a peer: what it keeps for a daemon that does not read.

local loop = require 'spec.support.loop'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

-- Larger than all that the kernel keeps of one connection, many times over.
local BLOCK = ('x'):rep(200000)
local REQUESTS = 400

--- A daemon that greets, takes one `add`, then sends `request` many times without reading the answers.
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

describe('A daemon that does not read', function()
  after_each(support.cleanup)

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
