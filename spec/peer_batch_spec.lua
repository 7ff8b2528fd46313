--- Which messages are sent together and in which order: batch, flush, and the frames on the wire.

local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder = support.wait, support.recorder
local count = support.count

--- Returns a peer at a daemon that notes each frame, and in `reads` how many arrived at once.
local function noted()
  local texts = {}
  local server = wire.daemon(function(connection)
    connection:greet()
    while true do
      local text = connection:read_text()
      if not text then return end
      texts[#texts + 1] = text
    end
  end)
  return support.connected { port = server.port }, texts
end

describe('batch', function()
  after_each(support.cleanup)

  it('calls the action once without arguments and drops what it returns', function()
    local p = support.connected()
    local calls = recorder()
    assert.are.equal(0, select('#', p:batch(function(...) calls(...) return 5 end)))
    assert.are.same({ { n = 0 } }, { calls[1] })
    assert.are.equal(1, #calls)
  end)

  it('sends all in order, one object per frame', function()
    local p, texts = noted()
    p:batch(function()
      for i = 1, 5 do p:set('s', i) end
    end)
    wait(count(texts, 5), 'the messages')
    for i = 1, 5 do
      assert.are.equal('{', texts[i]:sub(1, 1))
      assert.is_truthy(texts[i]:find('"value":' .. i, 1, true), texts[i])
    end
  end)

  it('sends nothing before its end, nested ones included', function()
    local p, texts = noted()
    p:batch(function()
      p:set('s', 1)
      p:batch(function() p:set('s', 2) end)
      p:set('s', 3)
      support.idle(0.02)
      assert.are.equal(0, #texts)
    end)
    wait(count(texts, 3), 'the messages')
  end)

  it('that is empty sends nothing', function()
    local p, texts = noted()
    p:batch(function() end)
    p:set('s', 1)
    wait(count(texts, 1), 'the message')
    support.idle(0.005)
    assert.are.equal(1, #texts)
  end)

  it('whose action raises sends what was queued, and the error goes on', function()
    local p, texts = noted()
    local raised = { 'any value' }
    local ok, got = pcall(p.batch, p, function()
      p:set('s', 1)
      error(raised)
    end)
    assert.is_false(ok)
    assert.are.equal(raised, got)
    wait(count(texts, 1), 'what was queued')
    p:set('s', 2)
    wait(count(texts, 2), 'what comes later')
    local here, message = pcall(p.batch, p, function() error 'text' end)
    assert.is_false(here)
    assert.is_truthy(message:find '^spec/peer_batch_spec.lua:%d+: text$')
  end)

  it('loses nothing when something in it cannot be sent', function()
    local p, texts = noted()
    support.raises_here(function()
      p:batch(function()
        p:set('s', 1)
        p:set('s', print)
      end)
    end, 'value: cannot send a function')
    p:set('s', 2)
    wait(count(texts, 2), 'the good ones')
    support.idle(0.005)
    assert.are.equal(2, #texts)
  end)

  it('before the connection is there keeps the order', function()
    local values = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      while true do
        local message = connection:read()
        if not message then return end
        values[#values + 1] = message.params.value
      end
    end)
    local p = support.peer { port = server.port }
    p:set('s', 1)
    p:batch(function()
      p:set('s', 2)
      p:fetch({}, function() end)
      p:set('s', 3)
    end)
    p:set('s', 4)
    wait(count(values, 4), 'all')
    assert.are.same({ 1, 2, 3, 4 }, values)
  end)
end)

describe('What cannot be sent', function()
  after_each(support.cleanup)

  it('raises at the caller, is not queued and does not affect later messages', function()
    local p, texts = noted()
    local state = p:state { path = 's', value = 1 }
    support.raises_here(function() state:value(print) end, 'value: cannot send a function')
    support.raises_here(function() state:value { list = { 1, 2, print } } end, 'value%.list%[3%]: cannot send a function')
    support.raises_here(function() p:set('s', 0 / 0) end, 'value: cannot send NaN')
    support.raises_here(function() p:call('m', { a = io.stdout }) end, 'args%.a: cannot send a userdata')
    support.raises_here(function() p:config { x = print } end, 'params%.x')
    support.raises_here(function() p:state { path = 't', value = print } end, 'value: cannot send')
    support.raises_here(function() p:fetch({ path = print }, print) end, 'path: cannot send')
    -- The local value is what the bus has.
    assert.are.equal(1, state:value())
    state:value(2)
    wait(count(texts, 2), 'add and change')
    assert.is_truthy(texts[1]:find('"add"', 1, true))
    assert.is_truthy(texts[2]:find('"change"', 1, true))
    p:state { path = 't', value = 1 }
    p:close()
  end)

  it('a message over the limit raises, one at the limit does not', function()
    local p, texts = noted()
    local small = support.connected { max_message = 1000 }
    support.raises_here(function() small:set('s', ('x'):rep(1000)) end, '1000')
    local overhead = #'{"method":"set","params":{"path":"s","value":""}}'
    small:set('s', ('x'):rep(1000 - overhead))
    support.raises_here(function() small:set('s', ('x'):rep(1001 - overhead)) end, '1001 bytes exceeds the limit of 1000')
    p:set('s', 1)
    wait(count(texts, 1), 'the other peer')
  end)
end)

describe('Sending', function()
  after_each(support.cleanup)

  it('goes out at once: a program that then blocks has sent it', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:accept_all()
    end)
    local p = support.connected { port = server.port }
    p:set('s', 1)
    local connection = server.connections[1]
    connection.socket:settimeout(2)
    local bytes = connection.socket:receive(4)
    assert.are.equal(4, #bytes)
    connection.socket:settimeout(0)
  end)

  it('peer:flush sends the rest at once', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:accept_all()
    end)
    local p = support.connected { port = server.port }
    for i = 1, 100 do p:set('s', i) end
    p:flush()
    local connection = server.connections[1]
    connection.socket:settimeout(2)
    for _ = 1, 100 do
      local a, b, c, d = connection.socket:receive(4):byte(1, 4)
      local size = ((a * 256 + b) * 256 + c) * 256 + d
      assert.are.equal(size, #connection.socket:receive(size))
    end
    connection.socket:settimeout(0)
  end)

  it('answers of a set handler: what it posts, the answer, then the change', function()
    local texts = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:reply(connection:expect 'add', true)
      connection:send { id = 'r', method = 's', params = { value = 5 } }
      while true do
        local text = connection:read_text()
        if not text then return end
        texts[#texts + 1] = text
      end
    end)
    local p = support.peer { port = server.port }
    local state
    state = p:state { path = 's', value = 1, set = function() state:value 'between' end }
    wait(count(texts, 3), 'the messages')
    assert.is_truthy(texts[1]:find('between', 1, true))
    assert.is_truthy(texts[2]:find('"result":true', 1, true))
    assert.is_truthy(texts[3]:find('"change"', 1, true))
    assert.is_truthy(texts[3]:find('5', 1, true))
  end)

  it('many megabytes to a daemon that reads slowly do not block', function()
    local total = 0
    local server = wire.daemon(function(connection)
      connection:greet()
      while true do
        local text = connection:read_text()
        if not text then return end
        total = total + #text
      end
    end)
    local p = support.connected { port = server.port }
    local value = ('x'):rep(1000000)
    for _ = 1, 20 do p:set('s', value) end
    wait(function() return total > 20000000 end, '20 MB')
  end)
end)
