--- `encoding = 'msgpack'`: that programs notice nothing of it, whatever the others on the bus speak,
-- and what peers do where a daemon does not know it. The bytes on the wire are in msgpack_wire_spec.

local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, refusal = support.result, support.refusal

local MSGPACK = { encoding = 'msgpack' }
local count = support.count

-- Values that others might have sent, by what they are.
local VALUES = {
  { 'null', null },
  { 'false', false },
  { 'a small number', 5 },
  { 'a negative number', -33 },
  { 'a large number', 2 ^ 53 },
  { 'a fraction', 0.1 },
  { 'a short fraction', -2.5 },
  { 'an empty string', '' },
  { 'text', 'ü "quoted" \n \0 €' },
  { 'long text', ('x'):rep(70000) },
  { 'a list', { 1, 'a', { 2 }, null, 0.5 } },
  { 'a long list', (function()
    local list = {}
    for i = 1, 1000 do
      list[i] = i
    end
    return list
  end)() },
  { 'members', { a = 1, b = { c = { d = null } }, ['7'] = 'seven' } },
  { 'a megabyte', ('m'):rep(1024 * 1024) },
}

describe('msgpack', function()
  after_each(support.cleanup)

  it('is what the connection speaks once it is there', function()
    local p = support.peer(MSGPACK)
    assert.is_nil(p:info())
    wait(function() return (p:info() or {}).encoding == 'msgpack' end, 'the encoding')
    assert.are.equal('lua-jet-rs', p:info().daemon)
    assert.are.equal('json', support.connected():info().encoding)
    assert.are.equal('json', support.connected({ encoding = false }):info().encoding)
  end)

  it('is the only encoding there is', function()
    for _, encoding in ipairs { 'json', 'MSGPACK', '', 5, true, {} } do
      support.raises_here(function()
        peer.new { encoding = encoding, port = jetd.shared().port }
      end, "^bad argument 'config%.encoding' to 'new' %(unsupported encoding: 'msgpack' expected, got ")
    end
  end)

  it('does not wait for anything else than JSON does', function()
    local events, prefix = recorder(), support.prefix()
    -- Asked for before there is a connection, and with a name.
    local p = support.peer { encoding = 'msgpack', name = 'early' }
    p:state { path = prefix .. 'a', value = 1 }
    p:fetch({ path = { startsWith = prefix } }, events)
    local state = p:state { path = prefix .. 'b', value = 2 }
    state:value(3)
    wait(count(events, 3), 'the events')
    assert.are.same({ prefix .. 'a', 'add', 1 }, { events[1][1], events[1][2], events[1][3] })
    assert.are.same({ 'add', 2, 'change', 3 }, { events[2][2], events[2][3], events[3][2], events[3][3] })
  end)

  it('cannot be changed by config', function()
    for _, config in ipairs { MSGPACK, {} } do
      local p = support.connected(config)
      assert.is_true(result(function(cbs) p:config({ encoding = 'msgpack' }, cbs) end))
      p:config { encoding = 'msgpack' }
      support.settle(p)
      assert.are.equal(config.encoding or 'json', p:info().encoding)
    end
  end)

  it('is there for programs that block, too', function()
    local prefix = support.prefix()
    local p = peer.new { sync = true, encoding = 'msgpack', name = 'blocking', port = jetd.shared().port }
    p:state { path = prefix .. 's', value = { 1, { a = null } } }
    assert.are.same({ 1, { a = null } }, p:get(prefix .. 's'))
    assert.are.same({ { path = prefix .. 's', value = { 1, { a = null } } } }, p:fetch { path = { equals = prefix .. 's' } })
    local ok, raised = pcall(p.call, p, prefix .. 'none', {})
    assert.is_false(ok)
    assert.are.same({ pathNotExists = prefix .. 'none' }, raised.data)
    p:close()
  end)

  it('refuses what JSON refuses, at the line of the program', function()
    local p = support.connected { encoding = 'msgpack', max_message = 1000 }
    local prefix = support.prefix()
    local state = p:state { path = prefix .. 'x', value = 1 }
    support.raises_here(function() state:value(0 / 0) end, 'cannot send NaN')
    support.raises_here(function() state:value(print) end, 'function')
    -- 800 bytes of JSON, 1800 of msgpack.
    local long = {}
    for i = 1, 200 do
      long[i] = 0.1
    end
    support.raises_here(function() state:value(long) end, 'exceeds the limit of 1000')
    assert.are.equal('lua-jet-rs', p:info().daemon)
    support.settle(p)
  end)
end)

for _, case in ipairs {
  { 'msgpack and one of JSON', MSGPACK, {} },
  { 'JSON and one of msgpack', {}, MSGPACK },
  { 'msgpack and another one', MSGPACK, MSGPACK },
} do
  describe('An owner that speaks ' .. case[1], function()
    local owner, other, prefix

    before_each(function()
      owner, other = support.connected(case[2]), support.connected(case[3])
      prefix = support.prefix()
    end)

    after_each(support.cleanup)

    it('exchange every kind of value', function()
      local seen = {}
      other:fetch({ path = { startsWith = prefix } }, function(_, event, value)
        seen[event] = value
      end)
      local state = owner:state { path = prefix .. 'v', value = 'none yet', set = function(value) return value end }
      support.settle(owner)
      for _, value in ipairs(VALUES) do
        local name
        name, value = value[1], value[2]
        seen.change = nil
        local got = result(function(cbs) other:set(prefix .. 'v', value, cbs) end, { valueAsResult = true })
        assert.are.same(value, got, name)
        assert.are.same(value, state:value(), name)
        state:value 'between'
        wait(function() return seen.change == 'between' end, 'the change')
        state:value(value)
        wait(function() return seen.change ~= 'between' end, 'the change')
        assert.are.same(value, seen.change, name)
      end
      state:remove()
      wait(function() return seen.remove ~= nil end, 'the end')
      assert.are.equal(VALUES[#VALUES][2], seen.remove)
    end)

    it('keep arrays arrays and objects objects', function()
      owner:method { path = prefix .. 'm', call = function(t) return { t, peer.array {} } end }
      support.settle(owner)
      local got = result(function(cbs) other:call(prefix .. 'm', { peer.array {} }, cbs) end)
      assert.are.equal(getmetatable(peer.array {}), getmetatable(got[1]))
      assert.are.equal(getmetatable(peer.array {}), getmetatable(got[2]))
      got = result(function(cbs) other:call(prefix .. 'm', { {} }, cbs) end)
      assert.is_nil(getmetatable(got[1]))
    end)

    it('call methods, with arguments of both kinds, and get errors', function()
      owner:method { path = prefix .. 'sum', call = function(a, b) return a + b end }
      owner:method { path = prefix .. 'swap', call = function(t) return { a = t.b, b = t.a } end }
      owner:method { path = prefix .. 'fail', call = function() error { code = 7, message = 'no', data = { 1 } } end }
      support.settle(owner)
      assert.are.equal(5, result(function(cbs) other:call(prefix .. 'sum', { 2, 3 }, cbs) end))
      assert.are.same({ a = 2, b = 1 }, result(function(cbs)
        other:call(prefix .. 'swap', { a = 1, b = 2 }, cbs)
      end))
      assert.are.same({ code = 7, message = 'no', data = { 1 } }, refusal(function(cbs)
        other:call(prefix .. 'fail', {}, cbs)
      end))
      assert.are.same({ pathNotExists = prefix .. 'none' }, refusal(function(cbs)
        other:call(prefix .. 'none', {}, cbs)
      end).data)
      assert.are.same({ pathAlreadyExists = prefix .. 'sum' }, refusal(function(cbs)
        other:state({ path = prefix .. 'sum', value = 1 }, cbs)
      end).data)
      assert.are.equal(-32602, refusal(function(cbs) other:set(prefix .. 'sum', 1, cbs) end).code)
    end)

    it('sort', function()
      local lists = recorder()
      other:fetch({ path = { startsWith = prefix }, sort = { byValue = true, from = 1, to = 2 } }, lists)
      local states = {}
      for i, value in ipairs { 30, 20.5, 10 } do
        states[i] = owner:state { path = prefix .. i, value = value }
      end
      states[3]:value(25)
      local function window()
        local paths = {}
        for _, list in ipairs(lists) do
          for _, entry in ipairs(list[1]) do
            paths[entry.index] = entry.path:sub(#prefix + 1) .. '=' .. entry.value
          end
        end
        return table.concat(paths, ' ')
      end
      wait(function() return window() == '2=20.5 3=25' end, 'the order')
    end)

    it('send batches', function()
      local seen, answers = {}, recorder()
      other:fetch({ path = { startsWith = prefix } }, function(path, event, value)
        seen[#seen + 1] = event .. ' ' .. path:sub(#prefix + 1) .. ' ' .. tostring(value)
      end)
      owner:batch(function()
        for i = 1, 100 do
          owner:state({ path = prefix .. i, value = i, set = function() end }, { success = answers })
        end
      end)
      wait(count(answers, 100), 'the answers')
      wait(count(seen, 100), 'the states')
      other:batch(function()
        for i = 1, 100 do
          other:set(prefix .. i, -i, { success = answers })
        end
      end)
      wait(count(answers, 200), 'the answers')
      wait(count(seen, 200), 'the changes')
      assert.are.same({ 'add 100 100', 'change 1 -1' }, { seen[100], seen[101] })
    end)

    it('get the remove of each other\'s elements', function()
      local removed, failed = nil, nil
      result(function(cbs) owner:state({ path = prefix .. 's', value = { 1 } }, cbs) end)
      result(function(cbs) owner:method({ path = prefix .. 'never', call_async = function() end }, cbs) end)
      other:fetch({ path = { startsWith = prefix }, value = { isType = 'table' } }, function() end)
      other:fetch({ path = { equals = prefix .. 's' } }, function(_, event, value)
        removed = event == 'remove' and value
      end)
      other:call(prefix .. 'never', {}, { error = function(err) failed = err end })
      support.settle(other)
      owner:close()
      wait(function() return removed and failed end, 'the end')
      assert.are.same({ 1 }, removed)
      assert.are.same({ ownerGone = prefix .. 'never' }, failed.data)
    end)
  end)
end

describe('Where a daemon has no msgpack', function()
  after_each(support.cleanup)

  --- Returns the peer of a scripted daemon, and the messages that the daemon received.
  local function meet(info, answer_config)
    local heard = {}
    local daemon = wire.daemon(function(connection)
      local asked = connection:expect 'info'
      connection:send { id = asked.id, result = info, error = not info and { code = -32601, message = 'no' } or nil }
      while true do
        local message = connection:read()
        if not message then
          return
        end
        heard[#heard + 1] = message
        if message.method == 'config' and message.params.encoding then
          connection:send { id = message.id, error = answer_config }
        elseif message.id then
          connection:reply(message, true)
        end
      end
    end)
    local p = support.connected { port = daemon.port, encoding = 'msgpack' }
    result(function(cbs) p:set('a', 1, cbs) end)
    assert.are.equal('json', p:info().encoding)
    return heard, p
  end

  it('the peer stays with JSON and says so', function()
    for family, info in pairs {
      cjet = { name = 'cjet', features = { batches = true, authentication = true, fetch = 'full' } },
      ['node-jet 1/2'] = { name = 'node-jet', features = { authentication = true, fetch = 'full' } },
      ['node-jet 3'] = { name = 'node-jet', features = { asNotification = true } },
      unknown = { name = 'who knows' },
    } do
      local heard = meet(info)
      assert.are.equal('set', heard[1].method)
      assert.is_nil(heard[2])
      support.wait_log('^no msgpack, the connection stays with JSON: the daemon %(' .. family:gsub('%W', '%%%0') .. '%)')
    end
  end)

  it('and refuses it the peer stays with JSON and says so', function()
    local refused = { code = -32602, message = 'Invalid params', data = { encodingNotSupported = 'msgpack' } }
    local heard = meet(nil, refused)
    assert.are.same({ encoding = 'msgpack' }, heard[1].params)
    assert.are.equal('set', heard[2].method)
    support.wait_log '^no msgpack, the connection stays with JSON: the daemon refuses it: .*encodingNotSupported'
  end)
end)
