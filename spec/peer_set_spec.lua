--- Setting a state: the outcomes of `set` and `set_async`, row by row.

local support = require 'spec.support.fixture'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, refusal = support.result, support.refusal
local count = support.count

local owner, other, prefix, path

local setup_peers = support.setup(function(...)
  owner, other, prefix = ...
  path = prefix .. 's'
end)

local function watched(description)
  description.path = path
  return support.watched(owner, other, description)
end

local function set(value, options)
  return result(function(cbs) other:set(path, value, cbs) end, options)
end

describe('set', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  local function row(name, handler, expected)
    it(name, function()
      local calls = recorder()
      local state, events = watched {
        value = 'old',
        set = function(...)
          calls(...)
          return handler(...)
        end,
      }
      assert.is_true(set('new'))
      assert.are.same({ n = 1, 'new' }, calls[1])
      assert.are.equal(expected.value, state:value())
      support.settle(owner, other)
      if expected.silent then
        assert.are.equal(1, #events)
      else
        assert.are.equal(2, #events)
        assert.are.equal('change', events[2][2])
        assert.are.equal(expected.value, events[2][3])
      end
      local as_result = set('again', { valueAsResult = true })
      assert.are.equal(expected.again or expected.value, as_result)
    end)
  end

  row('returning nothing takes the requested value', function() end, { value = 'new', again = 'again' })
  row('returning nil takes the requested value', function() return nil end, { value = 'new', again = 'again' })
  row('returning a value takes that', function() return 'mine' end, { value = 'mine' })
  row('returning false takes false', function() return false end, { value = false })
  row('returning null takes null', function() return null end, { value = null })
  row('returning nil, true takes the value and posts nothing', function() return nil, true end,
    { value = 'new', again = 'again', silent = true })
  row('returning a value and true takes that and posts nothing', function() return 'mine', 'yes' end,
    { value = 'mine', silent = true })

  it('raising a table with code and message answers with just that', function()
    local raised = { code = 123, message = 'no', data = { a = 1 }, extra = true }
    local state, events = watched { value = 1, set = function() error(raised) end }
    assert.are.same(raised, refusal(function(cbs) other:set(path, 2, cbs) end))
    assert.are.equal(1, state:value())
    support.settle(owner, other)
    assert.are.equal(1, #events)
  end)

  it('raising anything else answers -32603 with it as data', function()
    local raised
    local state = watched { value = 1, set = function()
      -- Lua 5.1 puts the place in front of numbers, too.
      error(raised, type(raised) == 'number' and 0 or 1)
    end }
    local function data()
      local err = refusal(function(cbs) other:set(path, 2, cbs) end)
      assert.are.equal(-32603, err.code)
      assert.are.equal('Internal error', err.message)
      return err.data
    end
    raised = 'text'
    assert.is_truthy(data():find '^spec/peer_set_spec.lua:%d+: text$')
    raised = { a = 1 }
    assert.are.same({ a = 1 }, data())
    raised = { code = 5 }
    assert.are.same({ code = 5 }, data())
    raised = 5
    assert.are.equal(5, data())
    raised = false
    assert.are.equal(false, data())
    raised = nil
    assert.is_nil(data())
    raised = print
    assert.is_string(data())
    assert.are.equal(1, state:value())
  end)

  it('without callbacks does the same and sends no response', function()
    local log = recorder()
    owner = support.connected { log = log }
    local state, events = watched { value = 1, set = function(v)
      if v == 'bad' then error 'refused' end
    end }
    other:set(path, 2)
    wait(count(events, 2), 'the change')
    assert.are.equal(2, state:value())
    other:set(path, 'bad')
    wait(count(log, 1), 'the report')
    assert.is_truthy(log[1][1]:find('refused', 1, true))
    assert.are.equal(2, state:value())
  end)

  it('without a value clears it', function()
    local calls = recorder()
    local state, events = watched { value = 1, set = calls }
    assert.is_true(result(function(cbs) other:set(path, nil, cbs) end))
    assert.are.equal(nil, calls[1][1])
    assert.is_nil(state:value())
    wait(count(events, 2), 'the change')
    assert.is_nil(events[2][3])
  end)

  it('of a value that cannot be sent answers with an error that names the place', function()
    local state, events = watched { value = 1, set = function() return { list = { 1, print } } end }
    local err = refusal(function(cbs) other:set(path, 2, cbs) end)
    assert.are.equal(-32603, err.code)
    assert.is_truthy(err.data:find('value.list[2]: cannot send a function', 1, true), err.data)
    assert.are.equal(1, state:value())
    support.settle(owner, other)
    assert.are.equal(1, #events)
  end)

  it('posts what the handler posts before its answer, and the change after it', function()
    local state, events
    state, events = watched { value = 1, set = function() state:value 'between' end }
    local order = {}
    other:set(path, 2, { success = function() order[#order + 1] = #events end })
    wait(count(events, 3), 'both changes')
    assert.are.same({ 'between', 2 }, { events[2][3], events[3][3] })
    assert.are.same({ 2 }, order)
  end)

  it('wins over set_async', function()
    watched { value = 1, set = function() end, set_async = error }
    assert.is_true(set(2))
  end)

  it('of a read-only state: -32602 with the path as fetchOnly; as notification nothing', function()
    local state = watched { value = 1 }
    local err = refusal(function(cbs) other:set(path, 2, cbs) end)
    assert.are.same({ code = -32602, message = 'Invalid params', data = { fetchOnly = path } }, err)
    assert.are.equal(("Invalid params (-32602): read-only: '%s'"):format(path), tostring(err))
    other:set(path, 2)
    support.settle(other, owner)
    assert.are.equal(1, state:value())
  end)

  it('can be changed in desc while the state is added', function()
    local description = { value = 1, set = function() return 'first' end }
    watched(description)
    description.set = function() return 'second' end
    assert.are.equal('second', set(2, { valueAsResult = true }))
  end)
end)

describe('set_async', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  local function row(name, response, expected)
    it(name, function()
      local calls = recorder()
      local reply
      local state, events = watched {
        value = 'old',
        set_async = function(r, ...)
          reply = r
          calls(...)
        end,
      }
      for round, options in ipairs { {}, { valueAsResult = true } } do
        reply = nil
        local kind, value
        other:set(path, 'new', {
          success = function(v) kind, value = 'success', v end,
          error = function(e) kind, value = 'error', e end,
          valueAsResult = options.valueAsResult,
        })
        wait(function() return reply end, 'the request')
        assert.is_nil(kind)
        assert.are.same({ n = 1, 'new' }, calls[round])
        reply(response)
        wait(function() return kind end, 'the answer')
        if expected.error then
          assert.are.equal('error', kind)
          assert.are.equal(expected.error.code, value.code)
          assert.are.equal(expected.error.message, value.message)
          if expected.error.data then assert.are.same(expected.error.data, value.data) end
        else
          assert.are.equal('success', kind)
          local wanted = true
          if round == 2 then wanted = expected.result end
          assert.are.same(wanted, value)
        end
      end
      support.settle(owner, other)
      assert.are.same(expected.value, state:value())
      assert.are.equal(expected.changes and 3 or 1, #events)
      if expected.changes then assert.are.same(expected.value, events[3][3]) end
    end)
  end

  row('result: the requested value is taken and posted', { result = 'ok' },
    { result = 'ok', value = 'new', changes = true })
  row('result = true stands for the requested value', { result = true },
    { result = 'new', value = 'new', changes = true })
  row('result = true beside a value stands for that', { result = true, value = 'mine' },
    { result = 'mine', value = 'mine', changes = true })
  row('a result of its own beside a value is what the requester gets', { result = 'ok', value = 'mine' },
    { result = 'ok', value = 'mine', changes = true })
  row('result = false beside a value is a result of its own', { result = false, value = 'mine' },
    { result = false, value = 'mine', changes = true })
  row('result = false is a success', { result = false }, { result = false, value = 'new', changes = true })
  row('result = null is a success', { result = null }, { result = null, value = 'new', changes = true })
  row('value overrides what is taken and posted', { value = 'mine' },
    { result = 'mine', value = 'mine', changes = true })
  row('value = false is a value', { value = false }, { result = false, value = false, changes = true })
  row('result and dont_notify: taken, not posted', { result = 'ok', dont_notify = true },
    { result = 'ok', value = 'new' })
  row('value and dont_notify: taken, not posted', { value = 5, dont_notify = true }, { result = 5, value = 5 })
  row('error as table goes as it is', { error = { code = 77, message = 'no', data = 'why' } },
    { error = { code = 77, message = 'no', data = 'why' }, value = 'old' })
  row('error as text becomes -32603', { error = 'why' },
    { error = { code = -32603, message = 'Internal error', data = 'why' }, value = 'old' })
  row('error wins over result and posts nothing', { error = 'why', result = true, value = 5 },
    { error = { code = -32603, message = 'Internal error', data = 'why' }, value = 'old' })
  row('neither is an error object', {}, { error = { code = -32603, message = 'Internal error' }, value = 'old' })
  row('a value that cannot be sent is an error that names the place', { value = { print } },
    { error = { code = -32603, message = 'Internal error', data = 'value[1]: cannot send a function' }, value = 'old' })

  it('may reply at once', function()
    watched { value = 1, set_async = function(reply) reply { result = true } end }
    assert.is_true(set(2))
  end)

  it('a second reply is ignored and logged', function()
    local log = recorder()
    owner = support.connected { log = log }
    local state, events = watched { value = 1, set_async = function(reply)
      reply { result = true }
      reply { error = 'no' }
      reply { value = 9 }
    end }
    assert.is_true(set(2))
    support.settle(owner, other)
    assert.are.equal(2, state:value())
    assert.are.equal(2, #events)
    assert.are.equal(2, #log)
    assert.is_truthy(log[1][1]:find(path, 1, true))
  end)

  it('a reply that is no table raises at its caller', function()
    local reply
    watched { value = 1, set_async = function(r) reply = r end }
    local err
    other:set(path, 2, { error = function(e) err = e end, success = error })
    wait(function() return reply end, 'the request')
    for _, wrong in ipairs { 5, 'x', true } do
      support.raises_here(function() reply(wrong) end, "'response'")
    end
    support.raises_here(function() reply() end, "'response'")
    reply { error = 'now' }
    wait(function() return err end, 'the error')
  end)

  it('that raises answers -32603, after a reply it is logged', function()
    local log = recorder()
    owner = support.connected { log = log }
    watched { value = 1, set_async = function(reply, v)
      if v == 'late' then reply { result = true } end
      error 'raised'
    end }
    local err = refusal(function(cbs) other:set(path, 2, cbs) end)
    assert.are.equal(-32603, err.code)
    assert.is_truthy(err.data:find('raised', 1, true))
    assert.is_true(set 'late')
    wait(count(log, 1), 'the log')
    assert.is_truthy(log[1][1]:find('raised', 1, true))
  end)

  it('without a value answers -32602', function()
    watched { value = 1, set_async = error }
    assert.are.equal(-32602, refusal(function(cbs) other:set(path, nil, cbs) end).code)
  end)

  it('replies after the peer was closed do nothing', function()
    local reply
    watched { value = 1, set_async = function(r) reply = r end }
    other:set(path, 2, { error = function() end })
    wait(function() return reply end, 'the request')
    owner:close()
    reply { result = true }
    support.idle(0)
  end)
end)
