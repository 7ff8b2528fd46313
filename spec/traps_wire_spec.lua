--- Input of a peer: cut anywhere, many messages together, or garbage.

local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder = support.wait, support.recorder
local count = support.count

--- Returns a connected peer with a method `m` that records its calls, and the other end.
local function served(config)
  local server = wire.daemon(function(connection)
    connection:greet()
    connection:reply(connection:expect 'add', true)
    connection:accept_all()
  end)
  local given = { port = server.port }
  for key, value in pairs(config or {}) do given[key] = value end
  local p = support.connected(given)
  local calls = recorder()
  support.result(function(cbs) p:method({ path = 'm', call = calls }, cbs) end)
  return p, server.connections[1], calls
end

local function call(i)
  return wire.frame { method = 'm', params = { i } }
end

describe('Frames', function()
  after_each(support.cleanup)

  it('may be cut at every byte', function()
    local _, connection, calls = served()
    local stream = call(1) .. call(2)
    for cut = 1, #stream - 1 do
      connection:send_raw(stream:sub(1, cut))
      -- The first part is read before the rest is sent.
      support.idle(0.001)
      connection:send_raw(stream:sub(cut + 1))
      wait(count(calls, 2 * cut), 'both calls')
      assert.are.same({ 1, 2 }, { calls[2 * cut - 1][1], calls[2 * cut][1] })
    end
  end)

  it('may come byte by byte', function()
    local _, connection, calls = served()
    local stream = call(1) .. call(2)
    for i = 1, #stream do
      connection:send_raw(stream:sub(i, i))
      support.idle(0)
    end
    wait(count(calls, 2), 'both calls')
  end)

  it('may come many at once', function()
    local _, connection, calls = served()
    local frames = {}
    for i = 1, 1000 do frames[i] = call(i) end
    connection:send_raw(table.concat(frames))
    wait(count(calls, 1000), 'all calls')
    for i = 1, 1000 do assert.are.equal(i, calls[i][1]) end
  end)

  it('may hold arrays of messages', function()
    local _, connection, calls = served()
    connection:send '[{"method":"m","params":[1]},{"method":"m","params":[2]},5,null,[],"x",{}]'
    connection:send '[]'
    connection:send '{"method":"m","params":[3]}'
    wait(count(calls, 3), 'all calls')
    support.take_log()
  end)

  it('of length 0 are skipped', function()
    local _, connection, calls = served()
    connection:send_raw(wire.header(0))
    connection:send_raw(wire.header(0) .. call(1) .. wire.header(0) .. wire.header(0) .. call(2))
    wait(count(calls, 2), 'both calls')
  end)

  it('of 4 GB end the connection with the reason, on the header already', function()
    local closed = recorder()
    local _, connection = served { on_close = closed }
    connection:send_raw(wire.header(4294967295))
    wait(count(closed, 1), 'on_close')
    assert.is_truthy(closed[1][2]:find('4294967295', 1, true), closed[1][2])
  end)

  it('of 10 000 000 bytes are taken, one byte more ends the connection', function()
    local closed = recorder()
    local _, connection, calls = served { on_close = closed }
    local function message(size)
      local head, tail = '{"method":"m","params":["', '"]}'
      return head .. ('x'):rep(size - #head - #tail) .. tail
    end
    connection:send(message(10000000))
    wait(count(calls, 1), 'the call', 20)
    assert.are.equal(10000000 - #'{"method":"m","params":[""]}', #calls[1][1])
    connection:send_raw(wire.header(10000001))
    wait(count(closed, 1), 'on_close')
    assert.is_truthy(closed[1][2]:find('10000001', 1, true), closed[1][2])
  end)

  it('max_message changes that limit', function()
    local closed = recorder()
    local _, connection, calls = served { on_close = closed, max_message = 1000 }
    local overhead = #'{"method":"m","params":[""]}'
    connection:send('{"method":"m","params":["' .. ('x'):rep(1000 - overhead) .. '"]}')
    wait(count(calls, 1), 'the call')
    connection:send('{"method":"m","params":["' .. ('x'):rep(1001 - overhead) .. '"]}')
    wait(count(closed, 1), 'on_close')
    assert.are.equal(1, #calls)
  end)
end)

describe('Garbage', function()
  after_each(support.cleanup)

  local texts = {
    '5', '"x"', 'true', 'null', '{}', '[[]]', '[5]', '{"a":1}', '{"id":1}', '{"id":{}}',
    'nonsense', '{', '[', '"', '{"method":}', '{"method":"m","params":[1}', "{'method':'m'}",
    '{"method":"m","params":[NaN]}', '{"method":"m","params":[1e999]}', '{"method":"m","params":[01]}',
    '{"method":"m","params":["\\ud83d"]}', '{"method":"m","params":["\t"]}', '\239\187\191{}', '{} {}',
    '{"method":5,"params":{}}', '{"method":null,"params":{}}', '{"method":["m"],"params":{}}',
    '{"id":99,"result":1}', '{"id":"x","result":1}', '{"id":-1,"error":{}}', '{"id":1e400,"result":1}',
    '{"id":99999999999999999999,"result":1}', '{"result":1}', '{"error":{"code":1}}',
    ('['):rep(100000), ('{"a":'):rep(5000) .. '1' .. ('}'):rep(5000), '\0\0\0\0', '\255\254\253', ' ', '\n',
  }

  it('in a frame of its own is logged and stops nothing', function()
    local log = recorder()
    local _, connection, calls = served { log = log }
    for _, text in ipairs(texts) do
      connection:send(text)
      connection:send_raw(call(1))
    end
    wait(count(calls, #texts), 'the calls in between')
    assert.is_true(#log > 0)
    for _, line in ipairs(log) do
      assert.is_true(#line[1] < 1000)
    end
  end)

  it('inside an array stops nothing either', function()
    local _, connection, calls = served { log = function() end }
    for _, text in ipairs { '5', 'null', '[]', '{}', '{"id":77,"result":1}', '{"method":5}' } do
      connection:send('[' .. text .. ',{"method":"m","params":[1]}]')
    end
    wait(count(calls, 6), 'the calls behind')
  end)

  it('random bytes in frames never stop the peer', function()
    local _, connection, calls = served { log = function() end }
    local state = 1
    local function random(n)
      state = (state * 16807) % 2147483647
      return state % n
    end
    local good = '{"id":"r","method":"m","params":[1,{"a":"b"}]}'
    for _ = 1, 500 do
      local at = random(#good) + 1
      connection:send(good:sub(1, at - 1) .. string.char(random(256)) .. good:sub(at + 1))
    end
    local before
    support.idle(0.01)
    before = #calls
    connection:send_raw(call(1))
    wait(function() return #calls > before and calls[#calls].n == 1 end, 'the last call')
  end)

  it('instead of frames ends the connection', function()
    local closed = recorder()
    local _, connection = served { on_close = closed }
    connection:send_raw 'HTTP/1.1 400 Bad Request\r\n\r\n'
    wait(count(closed, 1), 'on_close')
  end)

  it('from the first byte on ends the connection as well', function()
    local closed, connected = recorder(), recorder()
    local server = wire.daemon(function(connection)
      connection:send_raw 'SSH-2.0-OpenSSH_9.0\r\n'
      connection:read()
    end)
    support.peer { port = server.port, on_close = closed, on_connect = connected }
    wait(count(closed, 1), 'on_close')
    assert.are.equal(0, #connected)
  end)
end)

describe('A daemon', function()
  after_each(support.cleanup)

  it('that does not know info is used all the same', function()
    local server = wire.daemon(function(connection)
      local message = connection:expect 'info'
      connection:send { id = message.id, error = { code = -32601, message = 'Method not found', data = 'info' } }
      connection:accept_all()
    end)
    local p = support.connected { port = server.port }
    assert.are.equal('lua-jet', p:info().daemon)
    assert.is_true(support.result(function(cbs) p:set('x', 1, cbs) end))
  end)

  it('gets no info() before it has answered', function()
    -- It cannot answer before the loop runs.
    local server = wire.daemon(function(connection) connection:greet() end)
    local p = support.peer { port = server.port }
    assert.is_nil(p:info())
  end)

  it('that ends while it greets calls on_close', function()
    local closed, connected = recorder(), recorder()
    local server = wire.daemon(function(connection)
      connection:expect 'info'
      connection:close()
    end)
    support.peer { port = server.port, on_close = closed, on_connect = connected }
    wait(count(closed, 1), 'on_close')
    assert.are.equal(0, #connected)
  end)

  it('may answer result and error together: result wins', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'set'
      connection:send('{"id":' .. message.id .. ',"error":{"code":1,"message":"x"},"result":5}')
      connection:read()
    end)
    local p = support.connected { port = server.port }
    assert.are.equal(5, support.result(function(cbs) p:set('x', 1, cbs) end))
  end)

  it('may send duplicate and unknown members', function()
    local _, connection, calls = served()
    connection:send '{"jsonrpc":"2.0","method":"x","method":"m","params":[1],"params":[2],"more":{"a":[]}}'
    wait(count(calls, 1), 'the call')
    assert.are.equal(2, calls[1][1])
  end)
end)
