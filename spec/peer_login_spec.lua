--- Peers that log in: `user` and `password` of `peer.new`, on daemons by script and on our own.

local daemon = require 'jet.daemon'
local loop = require 'jet.loop.builtin'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait = support.wait

-- What the scripted daemons report about themselves.
local OURS = { name = 'lua-jet-rs', features = { match = true, authenticate = true } }
local NODE_JET = { name = 'node-jet', features = { authentication = true } }
local NODE_JET_3 = { name = 'node-jet', features = { asNotification = false, authenticate = true } }
local CJET = { name = 'cjet', features = { authentication = true } }

local GROUPS = { fetchGroups = { 'a' }, setGroups = { 'a', 'b' }, callGroups = {} }

--- Returns a daemon that sends `info` and then this response to a login; its received messages are in `seen`.
---@param info table
---@param answer table `result` or `error`
---@return table server
local function daemon_that(info, answer)
  local server
  server = wire.daemon(function(connection)
    connection:greet(info)
    local login = connection:expect 'authenticate'
    server.login = login.params
    connection:send { id = login.id, result = answer.result, error = answer.error }
    connection:accept_all()
  end)
  return server
end

--- Returns the configuration of ann with further options.
---@param config table
---@return table
local function ann(config)
  config.user, config.password = 'ann', config.password or 'secret'
  return config
end

--- Tries to connect and waits for its end.
---@return table end what on_close got, and whether on_connect was called
local function ended(config)
  local connected, closed = false, nil
  config.on_connect = function() connected = true end
  config.on_close = function(...)
    assert(not closed, 'closed twice')
    closed = { n = select('#', ...), ... }
  end
  local p = support.peer(ann(config))
  wait(function() return closed end, 'the end')
  assert.are.equal(p, closed[1])
  return { reason = closed[2], err = closed[3], connected = connected }
end

describe('A peer with a user', function()
  after_each(support.cleanup)

  it('is logged in before requests of the program are sent, and sends its name last', function()
    local order = {}
    local server = wire.daemon(function(connection)
      connection:greet(OURS)
      connection:reply(connection:expect 'authenticate', GROUPS)
      for _, method in ipairs { 'add', 'config' } do
        connection:reply(connection:expect(method), true)
        order[#order + 1] = method
      end
      connection:accept_all()
    end)
    local p = support.peer(ann { port = server.port, name = 'me' })
    p:state { path = 'early', value = 1 }
    wait(function() return #order == 2 and p:info() end, 'the name')
    local info = p:info()
    assert.are.equal('accepted', info.authentication)
    assert.are.equal('ann', info.user)
    assert.are.same(GROUPS, info.groups)
  end)

  it('sends what it was given, byte by byte', function()
    local server = daemon_that(OURS, { result = GROUPS })
    support.connected(ann { port = server.port, password = '"\\\195\164\0' })
    assert.are.same({ user = 'ann', password = '"\\\195\164\0' }, server.login)
  end)

  it('has no groups if the daemon sends none', function()
    for _, case in ipairs { { NODE_JET_3, {} }, { CJET, true } } do
      local server = daemon_that(case[1], { result = case[2] })
      local info = support.connected(ann { port = server.port }):info()
      assert.are.equal('accepted', info.authentication)
      assert.is_nil(info.groups)
    end
  end)

  it('gets the reason of a refusal in on_close', function()
    local function invalid(data, message)
      return { code = -32602, message = message or 'Invalid params', data = data }
    end
    local cases = {
      { OURS, invalid { invalidPassword = true }, 'wrong password', 'invalidPassword' },
      { NODE_JET, invalid { invalidUser = true }, 'unknown user', 'invalidUser' },
      {
        CJET,
        invalid { ['invalid credentials'] = 'ann' },
        'unknown user or wrong password, or the daemon has no users: '
          .. 'cjet refuses every login without a password file',
        'invalidPassword',
      },
      {
        NODE_JET_3,
        invalid({ name = 'jet.invalid params', details = 'ann' }, 'invalid credentials'),
        'unknown user or wrong password',
        'invalidPassword',
      },
    }
    for _, case in ipairs(cases) do
      local outcome = ended { port = daemon_that(case[1], { error = case[2] }).port }
      assert.is_false(outcome.connected)
      assert.are.equal("login as 'ann' failed: " .. case[3], outcome.reason)
      assert.are.equal(-32602, outcome.err.code)
      assert.is_true(outcome.err.data[case[4]])
      local is_foreign = case[1] == CJET or case[1] == NODE_JET_3
      assert.are.same(is_foreign and case[2] or nil, outcome.err.data.original)
    end
  end)

  it('gives the requests that wait an error when it is refused', function()
    local server = daemon_that(OURS, { error = { code = -32602, message = 'Invalid params', data = { invalidUser = true } } })
    local p = support.peer(ann { port = server.port, on_close = function() end })
    local refusal = support.refusal(function(callbacks)
      p:set('a', 1, callbacks)
    end)
    assert.are.equal(-32000, refusal.code)
    assert.is_nil(p:info())
  end)

  it('gives on_close no error when the connection ends otherwise', function()
    local server = wire.daemon(function(connection)
      connection:greet(OURS)
      connection:close()
    end)
    local outcome = ended { port = server.port }
    assert.is_string(outcome.reason)
    assert.is_nil(outcome.err)
  end)

  it('is connected with a warning where there are no users', function()
    local server = wire.daemon(function(connection)
      local info = connection:expect 'info'
      connection:send { id = info.id, error = { code = -32601, message = 'Method not found', data = 'info' } }
      connection:accept_all()
    end)
    for _, config in ipairs { { port = server.port }, {} } do
      local p = support.connected(ann(config))
      support.wait_log "has no users: not logged in as 'ann'"
      assert.are.equal('not offered', p:info().authentication)
      assert.is_nil(p:info().groups)
    end
    local without = support.connected()
    assert.is_nil(without:info().authentication)
    assert.is_nil(without:info().user)
  end)

  it('says its password nowhere', function()
    local texts = {}
    local function log(text) texts[#texts + 1] = tostring(text) end
    for _, answer in ipairs { { result = true }, { error = { code = -32600, message = 'no', data = 'secret' } } } do
      local server, over = daemon_that(OURS, answer), false
      local function done(p, reason, err)
        over = true
        log(p)
        log(reason)
        log(err and require('jet').encode(err))
        log(require('jet').encode(p:info() or {}))
      end
      support.peer(ann { port = server.port, log = log, on_close = done, on_connect = done })
      wait(function() return over end, 'the end')
    end
    assert.is_nil(table.concat(texts, '\n'):find('secret', 1, true))
    assert.is_truthy(table.concat(texts, '\n'):find('failed: no', 1, true))
  end)

  it('has both a user and a password, of the right types', function()
    local cases = {
      { { user = 'ann' }, 'config%.password' },
      { { password = 'secret' }, 'config%.user' },
      { { user = '', password = 'secret' }, 'config%.user' },
      { { user = 5, password = 'secret' }, 'config%.user' },
      { { user = 'ann', password = { 'secret' } }, 'config%.password' },
      { { user = 'ann', password = 12345 }, 'config%.password' },
    }
    for _, case in ipairs(cases) do
      for _, is_sync in ipairs { false, true } do
        case[1].sync, case[1].loop = is_sync, support.loop
        support.raises_here(function()
          peer.new(case[1])
        end, case[2])
        local _, message = pcall(peer.new, case[1])
        assert.is_nil(message:find 'secret')
        assert.is_nil(message:find '12345')
      end
    end
  end)
end)

describe('A peer with a user on our own daemon', function()
  local instance

  before_each(function()
    instance = daemon.new {
      port = 0,
      loop = loop.new(),
      interface = '127.0.0.1',
      users = {
        ann = { password = 'secret', auth = GROUPS },
        bob = { password = 'p\195\164ss' },
      },
    }
    instance.start()
  end)

  after_each(function()
    support.cleanup()
    instance.stop()
  end)

  it('gets what is for its groups', function()
    local p = support.connected(ann { port = instance.port() })
    assert.are.same(GROUPS, p:info().groups)
    assert.are.equal('accepted', p:info().authentication)
  end)

  it('is refused with a wrong password or name', function()
    local outcome = ended { port = instance.port(), password = 'other' }
    assert.are.equal("login as 'ann' failed: wrong password", outcome.reason)
    assert.are.same({ invalidPassword = true }, outcome.err.data)
  end)

  it('can block', function()
    local p = peer.new { sync = true, port = instance.port(), user = 'bob', password = 'p\195\164ss' }
    p:close()
    local line
    local ok, raised = pcall(function()
      line = debug.getinfo(1, 'l').currentline + 1
      peer.new { sync = true, port = instance.port(), user = 'eve', password = 'secret' }
    end)
    assert.is_false(ok)
    assert.are.equal(-32602, raised.code)
    assert.are.same({ invalidUser = true }, raised.data)
    local text = tostring(raised)
    assert.is_truthy(text:find(("peer_login_spec.lua:%d: could not connect"):format(line), 1, true), text)
    assert.is_truthy(text:find("login as 'eve' failed: unknown user", 1, true), text)
    assert.is_nil(text:find('secret', 1, true))
  end)
end)
