--- `peer.new`, its configuration, and how a connection begins. Its end is in `peer_close_spec.lua`.

local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder = support.wait, support.recorder
local count = support.count

describe('peer.new', function()
  after_each(support.cleanup)

  it('is require "jet".new as well, and both modules give null and array', function()
    local jet = require 'jet'
    assert.are.equal(peer.new, jet.new)
    assert.are.equal(peer, jet.peer)
    assert.are.equal(jet.null, peer.null)
    assert.are.equal(jet.array, peer.array)
    assert.is_table(jet.daemon)
  end)

  it('has null in common with lua-cjson', function()
    local found, cjson = pcall(require, 'cjson')
    if found then
      assert.is_true(rawequal(cjson.null, peer.null))
    end
  end)

  it('calls on_connect once with the peer', function()
    local calls = recorder()
    local p = support.peer { on_connect = calls }
    assert.are.equal(0, #calls)
    wait(count(calls, 1), 'on_connect')
    support.settle(p)
    assert.are.equal(1, #calls)
    assert.are.equal(1, calls[1].n)
    assert.are.equal(p, calls[1][1])
  end)

  it('has info() in answers that come before on_connect', function()
    for _, config in ipairs { { name = 'early' }, { encoding = 'msgpack' } } do
      local connected, early, daemon = false, nil, nil
      config.on_connect = function() connected = true end
      local p = support.peer(config)
      p:call('none', {}, { error = function()
        early, daemon = not connected, (p:info() or {}).daemon
      end })
      wait(function() return connected and early ~= nil end, 'the answer and on_connect')
      assert.is_true(early)
      assert.are.equal('lua-jet-rs', daemon)
    end
  end)

  it('connects to 127.0.0.1 by default, and takes names, IPv4 and the port as a string', function()
    local port = jetd.shared().port
    for _, config in ipairs { {}, { ip = 'localhost' }, { ip = '127.0.0.1' }, { port = tostring(port) } } do
      local p = support.connected(config)
      assert.is_table(p:info())
    end
  end)

  it('uses port 11122 by default', function()
    local reason
    local p = peer.new { loop = support.loop, on_close = function(_, text) reason = text end }
    -- The port may be in use or not; it must be the one that is tried.
    wait(function() return reason or p:info() end, 'a connection or its end')
    if reason then
      assert.is_truthy(reason:find('11122', 1, true) or reason:find('refused', 1, true))
    end
    p:close()
  end)

  it('treats a string like an empty table', function()
    local p = peer.new 'whatever'
    p:close()
  end)

  it('refuses a port that is none, from new', function()
    for _, port in ipairs { 'abc', 0, -1, 65536, 70000, 1.5, '' } do
      support.raises_here(function()
        peer.new { port = port, loop = support.loop }
      end, 'config%.port')
    end
  end)

  it('refuses an empty host, from new', function()
    support.raises_here(function()
      peer.new { ip = '', loop = support.loop }
    end, 'config%.ip')
  end)

  it('refuses callbacks that are no functions, from new', function()
    for _, key in ipairs { 'on_connect', 'on_close', 'log' } do
      for _, wrong in ipairs { 5, 'text', true } do
        support.raises_here(function()
          peer.new { [key] = wrong, loop = support.loop }
        end, 'config%.' .. key)
      end
    end
  end)

  it('takes callable tables as callbacks', function()
    local connected, closed = recorder(), recorder()
    local p = support.peer { on_connect = connected, on_close = closed }
    wait(count(connected, 1), 'on_connect')
    p:close()
    wait(count(closed, 1), 'on_close')
  end)

  it('warns of unknown keys and names the nearest known one', function()
    local log = recorder()
    support.peer { on_conect = print, log = log }
    assert.are.equal(1, #log)
    assert.is_truthy(log[1][1]:find("'on_conect'", 1, true))
    assert.is_truthy(log[1][1]:find("'on_connect'", 1, true))
  end)

  it('does not change the table it is given', function()
    local config = { port = jetd.shared().port, loop = support.loop, name = 'x' }
    local before = { port = config.port, loop = config.loop, name = config.name }
    local p = peer.new(config)
    p:close()
    assert.are.same(before, config)
  end)

  it('sends its name to the daemon before on_connect', function()
    local seen, order = {}, {}
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'config'
      seen.params, seen.id = message.params, message.id
      order[#order + 1] = 'config'
      connection:reply(message, true)
      connection:accept_all()
    end)
    support.peer { port = server.port, name = 'Bob', on_connect = function() order[#order + 1] = 'up' end }
    wait(count(order, 2), 'both')
    assert.are.same({ 'config', 'up' }, order)
    assert.are.same({ name = 'Bob' }, seen.params)
    assert.is_not_nil(seen.id)
  end)

  --- Returns the order in which callbacks of a peer are called that asks before it is connected.
  ---@param config jet.Config
  ---@return string[]
  local function order_of(config)
    local order = {}
    local function note(name)
      return function() order[#order + 1] = name end
    end
    local path = support.prefix() .. 's'
    config.on_connect = note 'on_connect'
    local p = support.peer(config)
    p:state({ path = path, value = 1 }, { success = note 'state' })
    p:fetch({ path = { equals = path } }, note 'add', { success = note 'fetch' })
    p:set(path .. 'no', 1, { error = note 'set' })
    wait(count(order, 5), 'all callbacks')
    -- The connection works both ways afterwards.
    support.settle(p)
    p:remove(path)
    wait(count(order, 6), 'the remove')
    return order
  end

  it('answers what was asked before the connection before on_connect if it has a name or encoding', function()
    for _, config in ipairs { { name = 'Bob' }, { encoding = 'msgpack' }, { name = 'Bob', encoding = 'msgpack' } } do
      assert.are.same({ 'state', 'fetch', 'add', 'set', 'on_connect', 'add' }, order_of(config))
    end
    assert.are.same({ 'on_connect', 'state', 'fetch', 'add', 'set', 'add' }, order_of {})
  end)

  it('sends its name after all that was asked before', function()
    local order = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      while true do
        local message = connection:read()
        if not message then return end
        order[#order + 1] = message.method
        if message.id then connection:reply(message, true) end
      end
    end)
    local p
    p = support.peer { port = server.port, name = 'Bob', on_connect = function() p:set('late', 1) end }
    p:state { path = 'a', value = 1 }
    p:fetch({}, print)
    p:call 'm'
    wait(count(order, 5), 'the messages')
    assert.are.same({ 'add', 'fetch', 'call', 'config', 'set' }, order)
  end)

  it('takes any value as name', function()
    for _, name in ipairs { '', 5, false, peer.null, { a = { 1 } } } do
      support.connected { name = name }
    end
  end)

  it('goes on when the daemon refuses the name, and says so', function()
    local log = recorder()
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'config'
      connection:send { id = message.id, error = { code = -32601, message = 'Method not found' } }
      connection:accept_all()
    end)
    support.connected { port = server.port, name = 'Bob', log = log }
    assert.are.equal(1, #log)
    assert.is_truthy(log[1][1]:find('name', 1, true))
  end)

  it('sends what was asked before the connection, in order, with what on_connect asks', function()
    local order = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      while true do
        local message = connection:read()
        if not message then return end
        order[#order + 1] = message.params.path
        if message.id then connection:reply(message, true) end
      end
    end)
    local p
    p = support.peer { port = server.port, on_connect = function() p:set('three', 3) end }
    p:set('one', 1)
    p:state { path = 'two', value = 2 }
    wait(count(order, 3), 'the messages')
    assert.are.same({ 'one', 'two', 'three' }, order)
  end)
end)

describe('A connection that does not come up', function()
  after_each(support.cleanup)

  it('calls on_close with the reason, and never on_connect', function()
    local connected, closed = recorder(), recorder()
    local p = support.peer { port = jetd.free_port(), on_connect = connected, on_close = closed }
    wait(count(closed, 1), 'on_close')
    support.idle(0.02)
    assert.are.equal(0, #connected)
    assert.are.equal(1, #closed)
    assert.are.equal(p, closed[1][1])
    assert.is_truthy(closed[1][2]:find('refused', 1, true), closed[1][2])
  end)

  it('fails all requests with -32000', function()
    local errors = recorder()
    local p = support.peer { port = jetd.free_port() }
    p:call('x', {}, { error = errors })
    p:set('x', 1, { error = errors })
    p:fetch({}, function() end, { error = errors })
    p:state({ path = 'x', value = 1 }, { error = errors })
    p:config({}, { error = errors })
    wait(count(errors, 5), 'the errors')
    for _, call in ipairs(errors) do
      assert.are.same({ code = -32000, message = 'Connection closed' }, call[1])
    end
  end)

  it('says when a name is unknown', function()
    local closed = recorder()
    support.peer { ip = 'no-such-host.invalid', on_close = closed, connect_timeout = 8 }
    wait(count(closed, 1), 'on_close')
    assert.is_string(closed[1][2])
    assert.is_truthy(closed[1][2]:find('no-such-host.invalid', 1, true), closed[1][2])
  end)

  it('ends when the time is over', function()
    -- 192.0.2.0/24 is for documentation; no host responds there.
    local closed = recorder()
    support.peer { ip = '192.0.2.1', on_close = closed, connect_timeout = 0.05 }
    wait(count(closed, 1), 'on_close')
    assert.is_string(closed[1][2])
  end)

  it('close() before the connection cancels it: nothing is added', function()
    local added, connected, closed = 0, recorder(), recorder()
    local server = wire.daemon(function(connection)
      while true do
        local message = connection:read()
        if not message then return end
        -- The question what the daemon is may have left already.
        if message.method ~= 'info' then added = added + 1 end
      end
    end)
    local p = support.peer { port = server.port, on_connect = connected, on_close = closed }
    p:state { path = 'zombie', value = 1 }
    p:close()
    wait(count(closed, 1), 'on_close')
    support.idle(0.02)
    assert.are.equal(0, #connected)
    assert.are.equal(0, added)
    assert.are.equal('closed', closed[1][2])
  end)
end)
