--- The blocking peer: `peer.new{sync = true}`.

local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'

local null = peer.null

-- The elements of the other process; it sets and calls on request.
local PROVIDER = [[
  local peer = require 'jet.peer'
  local port, prefix = ...
  local p
  p = peer.new { port = port }
  local state = p:state { path = prefix .. 's', value = 1, set = function() end }
  p:state { path = prefix .. 'adjusted', value = 1, set = function(v) return v * 2 end }
  p:state { path = prefix .. 'read-only', value = { a = { 1, 2 } } }
  p:state { path = prefix .. 'null', value = peer.null }
  p:state { path = prefix .. 'false', value = false }
  local function method(name, f) p:method { path = prefix .. name, call = f } end
  method('sum', function(a, b) return a + b end)
  method('table', function(t) return t end)
  method('nothing', function() end)
  method('no', function() return false end)
  method('void', function() return peer.null end)
  method('fail', function() error { code = 7, message = 'failed', data = { 1 } } end)
  method('change', function(v) state:value(v) return true end)
  p:method { path = prefix .. 'never', call_async = function() end }
  -- Uses an element of the caller while the caller waits.
  p:method { path = prefix .. 'set back', call_async = function(reply, path, value)
    p:set(path, value, {
      success = function(result) reply { result = { 'success', result } } end,
      error = function(err) reply { result = { 'error', err } } end,
    })
  end }
  p:method { path = prefix .. 'call back', call_async = function(reply, path, ...)
    p:call(path, { ... }, {
      success = function(result) reply { result = { 'success', result } } end,
      error = function(err) reply { result = { 'error', err } } end,
    })
  end }
  method('late', function() return 'late' end)
  method('quit', function() os.exit(0) end)
  method('ready', print)
  p:loop()
]]

describe('A sync peer', function()
  local provider, prefix, p

  local function start_provider()
    prefix = support.prefix() .. 'sync/'
    provider = child.start(PROVIDER, jetd.shared().port, prefix)
    local watcher, ready = support.connected(), false
    watcher:fetch({ path = { equals = prefix .. 'ready' } }, function() ready = true end)
    support.wait(function() return ready end, 'the provider')
    watcher:close()
  end

  setup(start_provider)
  teardown(function() provider.stop() end)

  before_each(function()
    p = peer.new { sync = true, port = jetd.shared().port, timeout = 10 }
  end)
  after_each(function()
    p:close()
    support.cleanup()
  end)

  --- Returns the error of a call, which has to be a table.
  local function refusal(f, ...)
    local ok, raised = pcall(f, ...)
    assert.is_false(ok)
    assert.is_table(raised, tostring(raised))
    return raised
  end

  it('calls and returns the result', function()
    assert.are.equal(5, p:call(prefix .. 'sum', { 2, 3 }))
    assert.are.same({ a = { b = 1 } }, p:call(prefix .. 'table', { a = { b = 1 } }))
    assert.are.equal(5, p:call(prefix .. 'table', 5))
    assert.are.same({}, p:call(prefix .. 'nothing'))
    assert.are.equal(false, p:call(prefix .. 'no'))
    assert.are.equal(null, p:call(prefix .. 'void'))
    assert.are.equal(5, p:call(prefix .. 'sum', { 2, 3 }, 5))
  end)

  it('sets and returns true, or the value with value_as_result', function()
    assert.is_true(p:set(prefix .. 's', 5))
    assert.is_true(p:set(prefix .. 's', 5, 2))
    assert.are.equal(10, p:set(prefix .. 'adjusted', 5, nil, true))
    assert.are.equal(false, p:set(prefix .. 's', false, nil, true))
    assert.are.equal(null, p:set(prefix .. 's', null, 3, true))
  end)

  it('raises the error of the answer as it is', function()
    assert.are.same({ code = 7, message = 'failed', data = { 1 } }, refusal(p.call, p, prefix .. 'fail'))
    local err = refusal(p.call, p, prefix .. 'no such')
    assert.are.equal(-32602, err.code)
    assert.are.same({ pathNotExists = prefix .. 'no such' }, err.data)
    err = refusal(p.set, p, prefix .. 'read-only', 1)
    assert.are.same({ code = -32602, message = 'Invalid params', data = { fetchOnly = prefix .. 'read-only' } }, err)
  end)

  it('raises -32001 when the owner does not answer in time', function()
    local err = refusal(p.call, p, prefix .. 'never', {}, 0.02)
    assert.are.equal(-32001, err.code)
    assert.are.equal('Response Timeout', err.message)
    -- And the stream is still in order.
    assert.are.equal(5, p:call(prefix .. 'sum', { 2, 3 }))
  end)

  it('its own timeout ends the waiting, and a late response is ignored', function()
    local hasty = peer.new { sync = true, port = jetd.shared().port, timeout = 0.05 }
    local err = refusal(hasty.call, hasty, prefix .. 'never', {}, 5)
    assert.is_number(err.code)
    assert.is_string(err.message)
    assert.are.equal(5, hasty:call(prefix .. 'sum', { 2, 3 }))
    hasty:close()
  end)

  it('configures its connection', function()
    assert.is_true(p:config { name = 'sync' })
    assert.is_true(p:config({ debug = false }, 2))
  end)

  it('gets the value of a state', function()
    p:set(prefix .. 's', 17)
    assert.are.equal(17, p:get(prefix .. 's'))
    assert.are.same({ a = { 1, 2 } }, p:get(prefix .. 'read-only'))
    assert.are.equal(null, p:get(prefix .. 'null'))
    assert.are.equal(false, p:get(prefix .. 'false'))
    assert.is_nil(p:get(prefix .. 'sum'))
    assert.is_nil(p:get(prefix .. 'no such'))
  end)

  it('fetches once: the list of what matches, sorted if asked for', function()
    local list = p:fetch { path = { startsWith = prefix .. 'n' } }
    local names = {}
    for i, each in ipairs(list) do names[i] = each.path:sub(#prefix + 1) end
    table.sort(names)
    assert.are.same({ 'never', 'no', 'nothing', 'null' }, names)
    list = p:fetch { path = { startsWith = prefix }, value = { isType = 'object' } }
    assert.are.same({ { path = prefix .. 'read-only', value = { a = { 1, 2 } } } }, list)
    list = p:fetch { path = { startsWith = prefix .. 's' }, sort = { byPath = true, descending = true, to = 2 } }
    assert.are.equal(2, #list)
    assert.are.equal(prefix .. 'sum', list[1].path)
    assert.are.equal(1, list[1].index)
    assert.are.same({}, p:fetch 'occurs nowhere')
    assert.is_true(#p:fetch(prefix) > 10)
    assert.are.equal(-32602, refusal(p.fetch, p, { path = { contains = 5 } }).code)
  end)

  it('adds states and methods that are served while it waits', function()
    local state = p:state { path = prefix .. 'mine', value = 1, set = function(v)
      if v == 'bad' then error('refused', 0) end
    end }
    assert.is_true(state:is_added())
    assert.are.same({ 'success', true }, p:call(prefix .. 'set back', { prefix .. 'mine', 5 }))
    assert.are.equal(5, state:value())
    local outcome = p:call(prefix .. 'set back', { prefix .. 'mine', 'bad' })
    assert.are.equal('error', outcome[1])
    assert.are.equal('refused', outcome[2].data)
    local method = p:method { path = prefix .. 'my method', call = function(a, b) return a * b end }
    assert.are.same({ 'success', 42 }, p:call(prefix .. 'call back', { prefix .. 'my method', 6, 7 }))
    state:value(6)
    assert.are.equal(6, p:get(prefix .. 'mine'))
    state:remove()
    method:remove()
    assert.is_nil(p:get(prefix .. 'mine'))
    state:add(3)
    assert.are.equal(3, p:get(prefix .. 'mine'))
    assert.are.same({ pathAlreadyExists = prefix .. 's' },
      refusal(p.state, p, { path = prefix .. 's', value = 1 }).data)
  end)

  it('may be used by its own handlers', function()
    local inner
    p:method { path = prefix .. 'nested', call = function(a)
      inner = p:call(prefix .. 'sum', { a, 1 })
      return inner
    end }
    assert.are.same({ 'success', 42 }, p:call(prefix .. 'call back', { prefix .. 'nested', 41 }))
    assert.are.equal(42, inner)
  end)

  it('serve handles what comes', function()
    local calls = support.recorder()
    p:state { path = prefix .. 'served', value = 1, set = calls }
    local other, answered = support.connected(), false
    other:set(prefix .. 'served', 2, { success = function() answered = true end })
    p:serve(0.1)
    assert.are.equal(1, #calls)
    support.wait(function() return answered end, 'the answer')
  end)

  it('leaves the tables of the caller alone', function()
    local args, description = { 2, 3 }, { path = prefix .. 'mine', value = 1, set = print }
    p:call(prefix .. 'sum', args, 3)
    p:state(description, 3)
    assert.are.same({ 2, 3 }, args)
    assert.are.same({ path = prefix .. 'mine', value = 1, set = print }, description)
  end)

  it('raises wrong arguments and what cannot be sent at the caller', function()
    local rows = {
      { function() p:call() end, "'path'" },
      { function() p:call(5) end, "'path'" },
      { function() p:call('x', print) end, 'args: cannot send a function' },
      { function() p:call('x', {}, 'x') end, "'timeout'" },
      { function() p:call('x', {}, true) end, "'timeout'" },
      { function() p:call('x', { print }) end, 'args%[1%]: cannot send a function' },
      { function() p:set(nil, 5) end, "'path'" },
      { function() p:set('x', 5, 'x') end, "'timeout'" },
      { function() p:set('x', { a = print }) end, 'value%.a: cannot send a function' },
      { function() p:config() end, "'params'" },
      { function() p:config({}, 'x') end, "'timeout'" },
      { function() p:state() end, "'desc'" },
      { function() p:state {} end, "'desc.path'" },
      { function() p:state({ path = 'x' }, 'x') end, "'timeout'" },
      { function() p:state { path = 'x', set = 5 } end, "'desc.set'" },
      { function() p:state { path = 'x', value = print } end, 'value: cannot send a function' },
      { function() p:method { path = 'x' } end, 'neither call nor call_async' },
      { function() p:method { path = 'x', call = 5 } end, "'desc.call'" },
      { function() p:fetch() end, "'expression'" },
      { function() p:fetch { sort = { from = 'x' } } end, 'sort' },
      { function() p:fetch('x', print) end, "'callback' to 'fetch' %(a peer with sync = true returns a list" },
      { function() p:get() end, "'path'" },
      { function() p:serve 'x' end, "'seconds'" },
    }
    for _, row in ipairs(rows) do support.raises_here(row[1], row[2]) end
  end)

  it('raises from new when the connection is refused, naming the address', function()
    local port = jetd.free_port()
    support.raises_here(function()
      peer.new { sync = true, port = port }
    end, 'could not connect to jetd with ip:port 127%.0%.0%.1:' .. port)
  end)

  it('raises -32000 once it is closed, by itself or the daemon', function()
    p:close()
    assert.are.equal(-32000, refusal(p.call, p, 'x').code)
    assert.are.equal(-32000, refusal(p.set, p, 'x', 1).code)
    assert.are.equal(-32000, refusal(p.config, p, {}).code)
    assert.are.equal(-32000, refusal(p.fetch, p, 'x').code)
    assert.are.equal(-32000, refusal(p.get, p, 'x').code)
    assert.are.equal(-32000, refusal(p.state, p, { path = 'x' }).code)
    p:close()

    local daemon = jetd.start()
    local other = peer.new { sync = true, port = daemon.port }
    other:config {}
    daemon.stop()
    for _ = 1, 3 do assert.are.equal(-32000, refusal(other.call, other, 'x').code) end
    other:close()
  end)

  it('gets the error when an owner disconnects while it waits', function()
    start_provider()
    local err = refusal(p.call, p, prefix .. 'quit', {}, 10)
    assert.are.equal(-32000, err.code)
    assert.are.same({ ownerGone = prefix .. 'quit' }, err.data)
  end)
end)
