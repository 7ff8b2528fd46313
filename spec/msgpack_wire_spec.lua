--- The bytes of `encoding = 'msgpack'`: recorded ones, cut anywhere, broken ones, and those of another
-- implementation where Debian's lua-messagepack is installed for this Lua.

local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder = support.wait, support.recorder

local CONFIG = { id = 'c', method = 'config', params = { encoding = 'msgpack' } }

--- Returns the bytes that pairs of hexadecimal digits stand for; text in quotes stands for itself.
local function bytes(text)
  local digits = text:gsub("'([^']*)'", function(word)
    return (word:gsub('.', function(c) return ('%02x'):format(c:byte()) end))
  end)
  return (digits:gsub('%s', ''):gsub('%x%x', function(pair) return string.char(tonumber(pair, 16)) end))
end

--- Returns a peer by script that has agreed on msgpack with the daemon.
local function packer(port, script)
  local done = false
  wire.peer(port, function(connection)
    connection:send(CONFIG)
    assert(connection:read_text() == '{"id":"c","result":true}')
    script(connection)
    done = true
    repeat until not connection:read_text()
  end)
  return function() return done end
end

--- Fails with both as digits.
local function same_bytes(expected, got)
  local function shown(text)
    return (text:gsub('.', function(c) return ('%02x '):format(c:byte()) end))
  end
  assert(expected == got, 'expected ' .. shown(expected) .. '\n got ' .. shown(got or 'nothing'))
end

-- Messages as peers of the earlier module send them with cmsgpack, and other spellings of the same values.
local ADD = bytes "83 a2'id' 01 a6'method' a3'add' a6'params' 82 a4'path' a6'packed' a5'value' 93 01 cb 4004000000000000 a1'x'"
local ADDED = bytes "82 a2'id' 01 a6'result' c3"
local FETCH = bytes "83 a2'id' cd 0002 a6'method' d9 05'fetch' a6'params' 82 a2'id' c4 01'f' a4'path' 81 a6'equals' a6'packed'"
local NOTICE = bytes "82 a6'method' a1'f' a6'params' 83 a4'path' a6'packed' a5'event' a3'add' a5'value' 93 01 ca 40200000 a1'x'"
local FETCHED = bytes "82 a2'id' 02 a6'result' c3"
local REMOVE = bytes "82 a6'method' a6'remove' a6'params' 81 a4'path' a6'packed'"

describe('On the wire of the daemon msgpack', function()
  local daemon

  before_each(function() daemon = jetd.start() end)
  after_each(function()
    support.cleanup()
    daemon.stop()
  end)

  it('is what was recorded', function()
    wait(packer(daemon.port, function(connection)
      connection:send(ADD)
      same_bytes(ADDED, connection:read_text())
      connection:send(FETCH)
      same_bytes(FETCHED, connection:read_text())
      same_bytes(NOTICE, connection:read_text())
    end), 'the script')
  end)

  it('may be cut at every byte', function()
    local stream = wire.frame(ADD) .. wire.frame(FETCH) .. wire.frame(REMOVE)
    for cut = 1, #stream - 1 do
      wait(packer(daemon.port, function(connection)
        connection:send_raw(stream:sub(1, cut))
        connection:pass()
        connection:send_raw(stream:sub(cut + 1))
        same_bytes(ADDED, connection:read_text())
        same_bytes(FETCHED, connection:read_text())
        same_bytes(NOTICE, connection:read_text())
        assert(connection:read_text())
      end), 'the script')
    end
  end)

  it('may come as a batch, and JSON before the answer was read', function()
    wait(packer(daemon.port, function(connection)
      connection:send(bytes '92' .. ADD .. FETCH)
      same_bytes(ADDED, connection:read_text())
      same_bytes(FETCHED, connection:read_text())
      same_bytes(NOTICE, connection:read_text())
      connection:send { id = 1, method = 'remove', params = { path = 'packed' } }
      assert(connection:read_text():find('remove', 1, true))
      same_bytes(ADDED, connection:read_text())
    end), 'the script')
  end)

  it('that is broken is refused, and the connection goes on', function()
    local parse_error = bytes "81 a5'error' 83 a4'code' d1 8044"
    wait(packer(daemon.port, function(connection)
      for _, broken in ipairs {
        '81',
        '81 a1',
        'dd ffffffff',
        'df ffffffff',
        '91 c1',
        '91 d4 00 00',
        '91 cb 7ff8000000000000',
        '81 c0 c0',
        '90 90',
      } do
        connection:send(bytes(broken))
        local answer = connection:read_text()
        same_bytes(parse_error, answer:sub(1, #parse_error))
      end
      connection:send(ADD)
      same_bytes(ADDED, connection:read_text())
    end), 'the script')
  end)
end)

describe('On the wire of the peer msgpack', function()
  after_each(support.cleanup)

  --- Returns a daemon that agrees, and sends bytes afterwards.
  local function daemon(script)
    return wire.daemon(function(connection)
      connection:greet()
      local asked = connection:expect 'config'
      assert(asked.params.encoding == 'msgpack' and asked.params.name == 'x')
      script(connection, wire.frame { id = asked.id, result = true })
    end)
  end

  it('is what was recorded', function()
    local heard = recorder()
    local server = daemon(function(connection, agreed)
      connection:send_raw(agreed)
      local params = "82 a4'path' a1's' a5'value' 81 a1'k' 92 d0 9c ca 3fc00000"
      same_bytes(bytes("83 a2'id' 03 a6'method' a3'set' a6'params'" .. params), connection:read_text())
      connection:send(bytes "82 a2'id' 03 a5'error' 82 a4'code' d3 ffffffffffff8300 a7'message' da 0002 'no'")
    end)
    local p = support.connected { port = server.port, encoding = 'msgpack', name = 'x' }
    p:set('s', { k = { -100, 1.5 } }, { error = heard })
    wait(function() return heard[1] end, 'the answer')
    assert.are.same({ code = -32000, message = 'no' }, heard[1][1])
  end)

  it('may be cut at every byte, from the answer on', function()
    local stream = wire.frame(bytes "82 a6'method' a4'none' a6'params' 01") .. wire.frame(bytes "91 81 a6'method' 02")
    local server = daemon(function(connection, agreed)
      for byte in (agreed .. stream):gmatch '.' do
        connection:send_raw(byte)
        connection:pass()
      end
      repeat until not connection:read_text()
    end)
    local unknown = recorder()
    local p = support.peer { port = server.port, encoding = 'msgpack', name = 'x' }
    p:on_no_dispatcher(unknown)
    wait(function() return unknown[2] end, 'both messages')
    assert.are.same({ method = 'none', params = 1 }, unknown[1][1])
    assert.are.same({ method = 2 }, unknown[2][1])
  end)

  it('that is broken is logged and forgotten', function()
    local unknown = recorder()
    local server = daemon(function(connection, agreed)
      connection:send_raw(agreed .. wire.frame(bytes '81 c1') .. wire.frame(bytes "81 a6'method' a1'x'"))
      repeat until not connection:read_text()
    end)
    local p = support.peer { port = server.port, encoding = 'msgpack', name = 'x' }
    p:on_no_dispatcher(unknown)
    wait(function() return unknown[1] end, 'the other message')
    support.wait_log '^decoding message failed: .* at byte %d of msgpack$'
  end)

  it('with bytes that are no UTF-8 is taken as JSON would be', function()
    for policy, expected in pairs { latin1 = 'invalid UTF%-8 in a message is read as Latin%-1', error = 'is dropped$' } do
      local unknown = recorder()
      local server = daemon(function(connection, agreed)
        connection:send_raw(agreed .. wire.frame(bytes "81 a6'method' a2 b0 'C'") .. wire.frame(bytes "81 a6'method' a1'x'"))
        repeat until not connection:read_text()
      end)
      local p = support.peer { port = server.port, encoding = 'msgpack', name = 'x', invalid_utf8 = policy }
      p:on_no_dispatcher(unknown)
      wait(function() return unknown[1] and unknown[#unknown][1].method == 'x' end, 'the last message')
      assert.are.equal(policy == 'latin1' and '\194\176C' or 'x', unknown[1][1].method)
      support.wait_log(expected)
    end
  end)
end)

describe('lua-messagepack', function()
  after_each(support.cleanup)

  it('understands the daemon and is understood', function()
    local found, messagepack = pcall(require, 'MessagePack')
    if not found then
      return pending 'library lua-messagepack is missing for this Lua'
    end
    local port, prefix = jetd.shared().port, support.prefix()
    local owner = support.connected()
    local list = {}
    for i = 1, 20 do
      list[i] = { i, -i * 1000, i / 3, ('s'):rep(i * 10), { [('k'):rep(i)] = i % 2 == 0 } }
    end
    owner:state { path = prefix .. 'ours', value = list, set = function() end }
    owner:method { path = prefix .. 'echo', call = function(t) return t end }
    support.settle(owner)
    wait(packer(port, function(connection)
      local function ask(id, method, params)
        connection:send(messagepack.pack { id = id, method = method, params = params })
        return messagepack.unpack(connection:read_text())
      end
      assert.are.same({ id = 1, result = true }, ask(1, 'fetch', { id = 'f', path = { equals = prefix .. 'ours' } }))
      local add = messagepack.unpack(connection:read_text())
      assert.are.same({ path = prefix .. 'ours', event = 'add', value = list }, add.params)
      assert.are.same({ id = 2, result = list }, ask(2, 'call', { path = prefix .. 'echo', args = { list } }))
      assert.are.same({ id = 3, result = true }, ask(3, 'add', { path = prefix .. 'theirs', value = list }))
    end), 'the script')
    local seen
    owner:fetch({ path = { equals = prefix .. 'theirs' } }, function(_, _, value) seen = value end)
    wait(function() return seen end, 'their state')
    assert.are.same(list, seen)
    assert.are.equal(getmetatable(peer.array {}), getmetatable(seen))
  end)
end)
