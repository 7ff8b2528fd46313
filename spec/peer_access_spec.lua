--- `access` of states, methods and low-level elements: what is sent, and what our own daemon makes of it.

local daemon = require 'jet.daemon'
local loop = require 'jet.loop.builtin'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait = support.wait

local function handler() end

-- Functions that add each kind of element. No tail calls: they have no line.
local KINDS = {
  state = function(p, desc)
    local made = p:state(desc)
    return made
  end,
  method = function(p, desc)
    desc.call = handler
    local made = p:method(desc)
    return made
  end,
  add = function(p, desc)
    local made = p:add(desc, handler)
    return made
  end,
}

describe('The access of an element', function()
  after_each(support.cleanup)

  --- Returns a peer of a daemon that accepts every request, and the messages that the daemon received.
  local function recorded()
    local server = wire.daemon(function(connection)
      connection:greet { name = 'lua-jet-rs', features = { match = true, authenticate = true } }
      connection:accept_all()
    end)
    local p = support.connected { port = server.port }
    return p, function(count)
      local seen
      wait(function()
        seen = server.connections[1].seen or {}
        return #seen >= count
      end, 'the messages')
      return seen
    end
  end

  it('goes with the add of every kind, also when it is added again', function()
    for _, make in pairs(KINDS) do
      local p, seen = recorded()
      local access = { fetchGroups = { 'a', 'b' }, setGroups = {}, callGroups = { 'c' } }
      local element = make(p, { path = 'x', access = access })
      access.fetchGroups[1] = 'changed'
      element:remove()
      element:add()
      local messages = seen(3)
      local expected = { fetchGroups = { 'a', 'b' }, setGroups = {}, callGroups = { 'c' } }
      assert.are.same(expected, messages[1].params.access)
      assert.are.same(expected, messages[3].params.access)
    end
  end)

  it('may inherit its lists', function()
    for _, make in pairs(KINDS) do
      local p, seen = recorded()
      local lists = { fetchGroups = { 'a' }, setGroups = { 'b' }, callGroups = { 'c' } }
      make(p, { path = 'x', access = setmetatable({}, { __index = lists }) })
      assert.are.same(lists, seen(1)[1].params.access)
    end
  end)

  it('can be left out, or be open to every user who is logged in', function()
    local p, seen = recorded()
    p:state { path = 'public', value = 1 }
    p:state { path = 'members', value = 1, access = {} }
    local messages = seen(2)
    assert.is_nil(messages[1].params.access)
    assert.are.same({}, messages[2].params.access)
  end)

  it('is sent as lists and objects also where they are empty', function()
    local texts = {}
    local server = wire.daemon(function(connection)
      connection:greet { name = 'lua-jet-rs', features = { match = true, authenticate = true } }
      for index = 1, 2 do
        texts[index] = connection:read_text()
      end
    end)
    local p = support.connected { port = server.port }
    p:state { path = 'a', value = 1, access = {} }
    p:state { path = 'b', value = 1, access = { setGroups = {} } }
    wait(function() return texts[2] end, 'the adds')
    assert.is_truthy(texts[1]:find('"access":{}', 1, true), texts[1])
    assert.is_truthy(texts[2]:find('"access":{"setGroups":[]}', 1, true), texts[2])
  end)

  it('with the list of the other kind of element only is refused, with both it is not', function()
    local p = support.connected()
    local only_call, only_set = { callGroups = { 'a' } }, { fetchGroups = { 'a' }, setGroups = { 'a' } }
    support.raises_here(function()
      p:state { path = 'x', value = 1, access = only_call }
    end, "'desc%.access' to 'state' %(callGroups means nothing for a state, did you mean setGroups%?%)")
    support.raises_here(function()
      p:method { path = 'x', call = handler, access = only_set }
    end, "'desc%.access' to 'method' %(setGroups means nothing for a method, did you mean callGroups%?%)")
    local blocking = support.peer { sync = true }
    support.raises_here(function()
      blocking:state { path = 'x', value = 1, access = only_call }
    end, 'did you mean setGroups')
  end)

  it('is checked where it is given', function()
    local p = support.connected()
    local blocking = peer.new { sync = true, port = require('spec.support.jetd').shared().port }
    local cases = {
      { true, 'desc%.access' },
      { 'all', 'desc%.access' },
      { { setgroups = { 'a' } }, "unknown member 'setgroups', did you mean 'setGroups'" },
      { { read = 'a' }, "unknown member 'read'" },
      { { 'a' }, "unknown member '1'" },
      { { fetchGroups = 'a' }, 'desc%.access%.fetchGroups' },
      { { setGroups = { a = true } }, "desc%.access%.setGroups.*the key 'a'" },
      { { setGroups = { [1] = 'a', [5] = 'c' } }, "desc%.access%.setGroups.*the key '5'" },
      { { callGroups = { 'a', 5 } }, 'desc%.access%.callGroups%[2%]' },
    }
    for _, case in ipairs(cases) do
      for _, make in pairs(KINDS) do
        local ok, message = pcall(make, p, { path = 'x', access = case[1] })
        assert.is_false(ok)
        assert.is_truthy(message:find(case[2]), message)
        assert.is_truthy(message:find('peer_access_spec.lua:', 1, true), message)
      end
      support.raises_here(function()
        p:state { path = 'x', access = case[1] }
      end, case[2])
      support.raises_here(function()
        blocking:state { path = 'x', access = case[1] }
      end, case[2])
      support.raises_here(function()
        blocking:method { path = 'x', call = handler, access = case[1] }
      end, case[2])
    end
    blocking:close()
  end)

  it('protects nothing on a daemon without users, which is logged once', function()
    local p, other = support.pair()
    local path = support.prefix() .. 'x'
    p:state { path = path, value = 1, set = handler, access = { fetchGroups = {}, setGroups = {} } }
    p:state { path = path .. '2', value = 1, access = {} }
    support.settle(p)
    assert.is_true(support.result(function(callbacks)
      other:set(path, 2, callbacks)
    end))
    support.wait_log 'no users: access protects nothing'
    assert.are.same({}, support.take_log())
  end)
end)

describe('On our own daemon with users', function()
  local instance

  before_each(function()
    instance = daemon.new {
      port = 0,
      loop = loop.new(),
      interface = '127.0.0.1',
      users = {
        ann = { password = 'a', auth = { fetchGroups = { 'see' }, setGroups = { 'do' }, callGroups = { 'do' } } },
        bob = { password = 'b', auth = { fetchGroups = { 'see' } } },
      },
    }
    instance.start()
  end)

  after_each(function()
    support.cleanup()
    instance.stop()
  end)

  --- Returns a connected peer of that user.
  local function peer_of(user)
    return support.connected { port = instance.port(), user = user, password = user and user:sub(1, 1) }
  end

  --- Returns the paths that a peer sees.
  local function paths_of(p)
    local paths = {}
    support.result(function(callbacks)
      p:fetch({}, function(path) paths[#paths + 1] = path end, callbacks)
    end)
    support.settle(p)
    table.sort(paths)
    return paths
  end

  it('each may do what the groups allow', function()
    local owner = peer_of()
    local access = { fetchGroups = { 'see' }, setGroups = { 'do' }, callGroups = { 'do' } }
    owner:state { path = 's', value = 1, set = handler, access = access }
    owner:method { path = 'm', call = function() return 'done' end, access = access }
    owner:state { path = 'members', value = 1, set = handler, access = {} }
    owner:state { path = 'public', value = 1, set = handler }
    support.settle(owner)
    local ann, bob, eve = peer_of 'ann', peer_of 'bob', peer_of()
    assert.are.same({ 'm', 'members', 'public', 's' }, paths_of(ann))
    assert.are.same({ 'm', 'members', 'public', 's' }, paths_of(bob))
    assert.are.same({ 'public' }, paths_of(eve))
    local function set(p, path)
      local kind, value = support.outcome(function(callbacks) p:set(path, 2, callbacks) end)
      return kind == 'success' or value.data
    end
    local function call(p)
      local kind, value = support.outcome(function(callbacks) p:call('m', {}, callbacks) end)
      return kind == 'success' and value or value.data
    end
    assert.are.equal(true, set(ann, 's'))
    assert.are.equal('done', call(ann))
    assert.are.same({ noAccess = 's' }, set(bob, 's'))
    assert.are.same({ noAccess = 'm' }, call(bob))
    assert.are.equal(true, set(bob, 'members'))
    assert.are.equal(true, set(eve, 'public'))
    assert.is_table(set(eve, 's'))
    assert.is_table(call(eve))
  end)

  it('a blocking peer has users and access as well', function()
    local bob = peer.new { sync = true, port = instance.port(), user = 'bob', password = 'b' }
    bob:state({ path = 'x', value = 1, access = { fetchGroups = { 'see' } } })
    local ann = peer.new { sync = true, port = instance.port(), user = 'ann', password = 'a' }
    local eve = peer.new { sync = true, port = instance.port() }
    assert.are.equal(1, ann:get 'x')
    assert.is_nil(eve:get 'x')
    for _, p in ipairs { ann, bob, eve } do
      p:close()
    end
  end)
end)
