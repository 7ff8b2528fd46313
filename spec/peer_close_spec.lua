--- How a connection ends, and when `peer:loop` returns.

local jetd = require 'spec.support.jetd'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder = support.wait, support.recorder
local count = support.count

describe('The end of a connection', function()
  after_each(support.cleanup)

  it('of one\'s own making: on_close(peer, "closed") once, from the loop', function()
    local closed = recorder()
    local p = support.connected { on_close = closed }
    p:close()
    assert.are.equal(0, #closed)
    p:close()
    wait(count(closed, 1), 'on_close')
    p:close()
    support.idle(0.01)
    assert.are.equal(1, #closed)
    assert.are.equal(2, closed[1].n)
    assert.are.equal(p, closed[1][1])
    assert.are.equal('closed', closed[1][2])
  end)

  for _, how in ipairs { 'close', 'reset' } do
    it('by the daemon (' .. how .. '): on_close(peer, reason) once, requests fail at once', function()
      local order = {}
      local server = wire.daemon(function(connection)
        connection:greet()
        connection:expect 'call'
        connection:expect 'set'
        connection[how](connection)
      end)
      local p = support.connected {
        port = server.port,
        on_close = function(_, reason) order[#order + 1] = 'close: ' .. reason end,
      }
      for _, path in ipairs { 'a', 'b' } do
        local function failed(err)
          order[#order + 1] = path
          assert.are.same({ code = -32000, message = 'Connection closed' }, err)
        end
        if path == 'a' then
          p:call(path, {}, { error = failed, success = error })
        else
          p:set(path, 1, { error = failed, success = error })
        end
      end
      wait(count(order, 3), 'all three')
      support.idle(0.01)
      assert.are.equal(3, #order)
      assert.are.same({ 'a', 'b' }, { order[1], order[2] })
      assert.is_truthy(order[3]:find('daemon', 1, true) or order[3]:find('connection', 1, true), order[3])
    end)
  end

  it('handles what came before the end first', function()
    local order = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'call'
      connection:send_raw(wire.frame { id = message.id, result = 'done' })
      connection:close()
    end)
    local p = support.connected { port = server.port, on_close = function() order[#order + 1] = 'close' end }
    p:call('x', {}, { success = function(result) order[#order + 1] = result end, error = error })
    wait(count(order, 2), 'both')
    assert.are.same({ 'done', 'close' }, order)
  end)

  it('leaves a peer whose methods can be called safely', function()
    local closed = recorder()
    local server = wire.daemon(function(connection)
      connection:greet()
      local add = connection:expect 'add'
      connection:reply(add, true)
      local fetch = connection:expect 'fetch'
      connection:reply(fetch, true)
      connection:close()
    end)
    local p = support.connected { port = server.port, on_close = closed }
    local added, fetching = recorder(), recorder()
    local state = p:state({ path = 'x', value = 1 }, { success = added })
    local fetcher = p:fetch({}, function() end, { success = fetching })
    wait(count(closed, 1), 'on_close')
    assert.are.equal(1, #added)
    assert.are.equal(1, #fetching)

    local errors = recorder()
    local callbacks = { error = errors, success = error }
    p:call('x', {}, callbacks)
    p:set('x', 1, callbacks)
    p:config({}, callbacks)
    p:remove('x', callbacks)
    p:fetch('x', function() end, callbacks)
    p:state({ path = 'y' }, callbacks)
    p:method({ path = 'z', call = print }, callbacks)
    p:add({ path = 'w' }, print, callbacks)
    fetcher:unfetch(callbacks)
    fetcher:fetch(callbacks)
    assert.are.equal(0, #errors)
    wait(count(errors, 10), 'the errors')
    for _, call in ipairs(errors) do
      assert.are.same({ code = -32000, message = 'Connection closed' }, call[1])
    end
    -- Without callbacks the failure is logged.
    p:call('x')
    p:set('x', 1)
    p:config {}
    p:remove 'x'
    p:fetch('x', function() end)
    p:batch(function() p:set('x', 2) end)
    state:value(5)
    assert.are.equal(5, state:value())
    fetcher:unfetch()
    p:flush()
    local done, reason = p:loop()
    assert.is_nil(done)
    assert.are.equal(closed[1][2], reason)
    p:close()
    support.idle(0.01)
    assert.are.equal(1, #closed)
    assert.are.same({
      "calling 'x' failed: Connection closed (-32000)",
      "setting 'x' failed: Connection closed (-32000)",
      'config failed: Connection closed (-32000)',
      "removing 'x' failed: Connection closed (-32000)",
      'a fetch failed: Connection closed (-32000)',
      "setting 'x' failed: Connection closed (-32000)",
    }, support.take_log())
  end)

  it('removes states, methods and fetches at the daemon', function()
    local prefix, events = support.prefix(), recorder()
    local watcher, owner = support.pair()
    watcher:fetch({ path = { startsWith = prefix } }, events)
    owner:state { path = prefix .. 'state', value = 1 }
    owner:method { path = prefix .. 'method', call = print }
    wait(count(events, 2), 'the adds')
    owner:close()
    wait(count(events, 4), 'the removes')
    local removed = {}
    for i = 3, 4 do
      assert.are.equal('remove', events[i][2])
      removed[events[i][1]] = true
    end
    assert.are.same({ [prefix .. 'state'] = true, [prefix .. 'method'] = true }, removed)
  end)

  it('flushes what was sent before close()', function()
    local prefix = support.prefix()
    local owner, other = support.pair()
    local values = recorder()
    support.result(function(callbacks)
      owner:state({ path = prefix .. 'x', value = 1, set = values }, callbacks)
    end)
    other:set(prefix .. 'x', 2)
    other:close()
    wait(count(values, 1), 'the set')
    assert.are.equal(2, values[1][1])
  end)
end)

describe('peer:loop', function()
  after_each(support.cleanup)

  it('returns when the peer closes, and prints nothing', function()
    local print_before = print
    local printed = 0
    _G.print = function() printed = printed + 1 end
    local p
    p = support.peer { on_connect = function() p:close() end }
    p:loop()
    p:loop {}
    p:loop(false)
    _G.print = print_before
    assert.are.equal(0, printed)
  end)

  it('returns when the daemon closes', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:close()
    end)
    support.peer({ port = server.port }):loop()
    support.peer({ port = server.port }):loop {}
  end)

  it('returns when the connection is refused', function()
    support.peer({ port = jetd.free_port() }):loop()
  end)

  it('returns when the loop is stopped', function()
    local p = support.connected()
    support.loop.after(0, function() support.loop.stop() end)
    p:loop()
    assert.is_table(p:info())
  end)

  it('keeps loop() until the callbacks of later requests are called', function()
    local p = support.connected()
    p:close()
    assert.is_true(p:loop())
    local errors = recorder()
    local function again(...)
      errors(...)
      if #errors < 10 then
        p:set('x', 1, { error = again })
      end
    end
    p:set('x', 1, { error = errors })
    p:call(5, {}, { error = errors })
    p:loop()
    assert.are.equal(2, #errors)
    p:set('x', 1, { error = again })
    -- A request that a callback sends does not keep this loop running, but the next one.
    p:loop()
    assert.is_true(#errors >= 3)
    while #errors < 10 do
      local before = #errors
      p:loop()
      assert.is_true(#errors > before)
    end
  end)
end)
