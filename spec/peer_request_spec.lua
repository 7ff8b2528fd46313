--- Requests of a peer: call, set, config, remove; their callbacks, results, and form on the wire.

local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, outcome = support.result, support.outcome
local count = support.count

describe('Results', function()
  local owner, other, prefix

  before_each(support.setup(function(...) owner, other, prefix = ... end))
  after_each(support.cleanup)

  it('of set are true, of call what the method returned; exactly one argument', function()
    owner:state { path = prefix .. 's', value = 1, set = function() end }
    result(function(cbs) owner:method({ path = prefix .. 'm', call = function(a) return a * 2 end }, cbs) end)
    local kind, value, n = outcome(function(cbs) other:set(prefix .. 's', 2, cbs) end)
    assert.are.same({ 'success', true, 1 }, { kind, value, n })
    kind, value, n = outcome(function(cbs) other:call(prefix .. 'm', { 21 }, cbs) end)
    assert.are.same({ 'success', 42, 1 }, { kind, value, n })
  end)

  it('of add, remove, fetch, unfetch and config are true', function()
    local s, m, f
    local asks = {
      function(cbs) s = owner:state({ path = prefix .. 's', value = 1 }, cbs) end,
      function(cbs) m = owner:method({ path = prefix .. 'm', call = print }, cbs) end,
      function(cbs) owner:add({ path = prefix .. 'a', value = 1 }, print, cbs) end,
      function(cbs) f = owner:fetch({}, function() end, cbs) end,
      function(cbs) s:remove(cbs) end,
      function(cbs) m:remove(cbs) end,
      function(cbs) s:add(2, cbs) end,
      function(cbs) m:add(nil, cbs) end,
      function(cbs) owner:remove(prefix .. 'a', cbs) end,
      function(cbs) f:unfetch(cbs) end,
      function(cbs) f:fetch(cbs) end,
      function(cbs) owner:config({ debug = false }, cbs) end,
    }
    for index, ask in ipairs(asks) do
      local kind, value, n = outcome(ask)
      assert.are.same({ index, 'success', true, 1 }, { index, kind, value, n })
    end
  end)

  it('false, null, 0, empty text and empty containers arrive as they are', function()
    local values = { false, null, 0, '', {}, require('jet').array {}, { null, 1 } }
    local current
    result(function(cbs) owner:method({ path = prefix .. 'm', call = function() return current end }, cbs) end)
    for index = 1, #values do
      current = values[index]
      local got = result(function(cbs) other:call(prefix .. 'm', {}, cbs) end)
      assert.are.same(current, got)
      assert.are.equal(type(current), type(got))
    end
  end)

  it('of set are the new value with valueAsResult or value_as_result, false included', function()
    local handler
    result(function(cbs)
      owner:state({ path = prefix .. 's', value = 1, set = function(v) return handler(v) end }, cbs)
    end)
    for _, key in ipairs { 'valueAsResult', 'value_as_result' } do
      handler = function() end
      local function set(value)
        return result(function(cbs) other:set(prefix .. 's', value, cbs) end, { [key] = true })
      end
      assert.are.equal(5, set(5))
      assert.are.equal(false, set(false))
      assert.are.equal(null, set(null))
      handler = function(v) return v + 1 end
      assert.are.equal(6, set(5))
      handler = function() return false end
      assert.are.equal(false, set(5))
    end
    handler = function() end
    assert.is_true(result(function(cbs) other:set(prefix .. 's', 1, cbs) end, { value_as_result = false }))
  end)
end)

describe('Callbacks', function()
  local owner, other, prefix

  before_each(support.setup(function(...) owner, other, prefix = ... end))
  after_each(support.cleanup)

  it('may be missing, empty, or only one of both', function()
    result(function(cbs) owner:state({ path = prefix .. 's', value = 1, set = function() end }, cbs) end)
    other:set(prefix .. 's', 1)
    other:set(prefix .. 's', 1, {})
    other:set(prefix .. 's', 1, { error = error })
    other:set(prefix .. 'no', 1, { success = error })
    other:set(prefix .. 'no', 1)
    -- Until the requests are at the owner, its answers at the daemon, and these here.
    support.settle(other, owner)
    support.settle(other)
    -- A refusal that no callback gets is reported; of a notification the daemon has to.
    support.wait_log("^setting '" .. prefix .. "no' failed: path does not exist")
  end)

  it('tables, params and expressions of the caller are never changed', function()
    local success, failure = function() end, function() end
    local callbacks = { success = success, error = failure, timeout = 3, value_as_result = true }
    local params, args = { debug = false }, { 1 }
    local expression = { path = { equals = prefix .. 's' } }
    local sorted = { sort = { from = 1, to = 2 } }
    local description = { path = prefix .. 's', value = 1, set = print }
    local s = owner:state(description, callbacks)
    local f = owner:fetch(expression, function() end, callbacks)
    local g = owner:fetch(sorted, function() end, callbacks)
    owner:set(prefix .. 'x', 1, callbacks)
    owner:call(prefix .. 'x', args, callbacks)
    owner:config(params, callbacks)
    f:unfetch(callbacks)
    f:fetch(callbacks)
    g:unfetch(callbacks)
    support.settle(owner)
    s:remove(callbacks)
    support.settle(owner)
    assert.are.same({ success = success, error = failure, timeout = 3, value_as_result = true }, callbacks)
    assert.are.same({ debug = false }, params)
    assert.are.same({ 1 }, args)
    assert.are.same({ path = { equals = prefix .. 's' } }, expression)
    assert.are.same({ sort = { from = 1, to = 2 } }, sorted)
    assert.are.same({ path = prefix .. 's', value = 1, set = print }, description)
  end)

  it('one table for many requests: each answer calls it once', function()
    local calls = recorder()
    local callbacks = { success = calls, error = error }
    for i = 1, 5 do
      owner:state({ path = prefix .. i, value = i }, callbacks)
    end
    wait(count(calls, 5), 'five answers')
    support.settle(owner)
    assert.are.equal(5, #calls)
  end)

  it('that raise are reported with their traceback and stop nothing', function()
    local log, answers = recorder(), recorder()
    local p = support.connected { log = log }
    p:config({}, { success = function() error 'raised in success' end })
    p:set(prefix .. 'no', 1, { error = function() error { code = 1, message = 'raised in error' } end })
    p:set(prefix .. 'no', 1, { error = function() error() end })
    p:config({}, { success = answers })
    wait(count(answers, 1), 'the last answer')
    assert.are.equal(3, #log)
    assert.is_truthy(log[1][1]:find('raised in success', 1, true))
    assert.is_truthy(log[1][1]:find('peer_request_spec.lua:', 1, true))
    assert.is_truthy(log[1][1]:find('traceback', 1, true))
    assert.is_truthy(log[2][1]:find('raised in error', 1, true))
  end)

  it('that raise while the log raises as well are reported on standard error', function()
    local status, output = child.run([[
      local peer = require 'jet.peer'
      local p
      p = peer.new { port = ..., log = function() error 'the log' end }
      p:config({}, { success = function() error 'the callback' end })
      p:config({}, { success = function() print 'goes on'; p:close() end })
      p:loop()
    ]], jetd.shared().port)
    assert.are.equal(0, status)
    assert.is_truthy(output:find('the callback', 1, true), output)
    assert.is_truthy(output:find('goes on', 1, true), output)
  end)

  it('are called in the order of the answers, before the notifications behind them', function()
    local order = {}
    owner:state { path = prefix .. 's', value = 1, set = function() end }
    support.settle(owner)
    other:fetch({ path = { equals = prefix .. 's' } }, function(_, event)
      order[#order + 1] = event
    end, { success = function() order[#order + 1] = 'fetched' end })
    other:set(prefix .. 's', 2, { success = function() order[#order + 1] = 'set' end })
    wait(count(order, 4), 'everything')
    assert.are.same({ 'fetched', 'add', 'set', 'change' }, order)
  end)

  it('of an own element come after the notification of an own fetch', function()
    local order = {}
    owner:fetch({ path = { startsWith = prefix } }, function(_, event) order[#order + 1] = event end)
    owner:state({ path = prefix .. 's', value = 1 }, { success = function() order[#order + 1] = 'added' end })
    wait(count(order, 2), 'both')
    assert.are.same({ 'add', 'added' }, order)
  end)
end)

describe('On the wire, requests', function()
  after_each(support.cleanup)

  --- Connects a peer to a daemon that accepts everything, lets it do something, and returns
  -- the messages that came of it.
  local function sent(n, act, config)
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:accept_all()
    end)
    local given = { port = server.port }
    for key, value in pairs(config or {}) do given[key] = value end
    local p = support.connected(given)
    act(p)
    local seen = server.connections[1].seen or {}
    wait(function()
      seen = server.connections[1].seen or {}
      return #seen >= n
    end, n .. ' messages')
    support.idle(0.005)
    assert.are.equal(n, #seen)
    return seen
  end

  it('carry path, value, args, timeout and valueAsResult', function()
    local seen = sent(5, function(p)
      p:set('s', 5, { timeout = 2, value_as_result = true })
      p:set('s', null, {})
      p:call('m', { 1, 'a' }, { timeout = 0.5 })
      p:call('m', nil, {})
      p:call('m', false, {})
    end)
    assert.are.same({ path = 's', value = 5, timeout = 2, valueAsResult = true }, seen[1].params)
    assert.are.same({ path = 's', value = null }, seen[2].params)
    assert.are.same({ path = 'm', args = { 1, 'a' }, timeout = 0.5 }, seen[3].params)
    assert.are.same({ path = 'm', args = {} }, seen[4].params)
    assert.are.same({ path = 'm', args = {} }, seen[5].params)
    assert.are.same({ 'set', 'set', 'call', 'call', 'call' },
      { seen[1].method, seen[2].method, seen[3].method, seen[4].method, seen[5].method })
  end)

  it('have an id, which is a number never used twice, only if there are callbacks', function()
    local seen = sent(4, function(p)
      p:set('s', 5)
      p:call('s', {}, {})
      p:call('s')
      p:call('s', {}, {})
    end)
    assert.is_nil(seen[1].id)
    assert.is_nil(seen[3].id)
    assert.is_number(seen[2].id)
    assert.is_number(seen[4].id)
    assert.are_not.equal(seen[2].id, seen[4].id)
  end)

  it('send nothing that is not there: set without value, no error:null, no jsonrpc', function()
    local seen = sent(2, function(p)
      p:set('s', nil, {})
      p:config({ name = 'x' }, {})
    end)
    assert.are.same({ path = 's' }, seen[1].params)
    assert.are.same({ id = seen[2].id, method = 'config', params = { name = 'x' } }, seen[2])
  end)

  it('take answers with the id as text, errors as text, and answers twice only once', function()
    local calls = recorder()
    local log = recorder()
    local server = wire.daemon(function(connection)
      connection:greet()
      local first, second = connection:read(), connection:read()
      connection:send { id = tostring(first.id), result = 1 }
      connection:send { id = second.id, error = 'only text' }
      connection:send { id = second.id, result = 2 }
      connection:send { id = 4711, result = 2 }
      connection:send { id = {}, result = 2 }
      connection:send { result = 2 }
      connection:accept_all()
    end)
    local p = support.connected { port = server.port, log = log }
    p:call('m', {}, { success = calls, error = error })
    p:call('m', {}, { success = error, error = calls })
    wait(count(log, 3), 'the notes')
    result(function(cbs) p:config({}, cbs) end)
    assert.are.equal(2, #calls)
    assert.are.equal(1, calls[1][1])
    -- Never a bare string.
    assert.is_table(calls[2][1])
    assert.are.equal('only text', calls[2][1].data or calls[2][1].message)
  end)
end)
