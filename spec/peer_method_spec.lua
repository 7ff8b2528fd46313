--- Methods: the ref, their arguments, and the outcomes of `call` and `call_async`.

local support = require 'spec.support.fixture'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, refusal = support.result, support.refusal
local array = require('jet').array
local count = support.count

local owner, other, path

local setup_peers = support.setup(function(first, second, prefix) owner, other, path = first, second, prefix .. 'm' end)

local function method(description, options)
  description.path = path
  local made
  result(function(cbs) made = owner:method(description, cbs) end, options)
  return made
end

local function call(args)
  return result(function(cbs) other:call(path, args, cbs) end)
end

local function refused(args)
  return refusal(function(cbs) other:call(path, args, cbs) end)
end

describe('A method ref', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('has path, is_added, add and remove', function()
    local m = method { call = function() return 1 end }
    assert.are.equal(path, m:path())
    assert.is_true(m:is_added())
    m:remove()
    assert.is_false(m:is_added())
    support.settle(owner)
    assert.are.same({ pathNotExists = path }, refused().data)
    m:add()
    assert.is_true(m:is_added())
    support.settle(owner)
    assert.are.equal(1, call())
    support.raises_here(function() m:add() end, 'already added')
    m:remove {}
    support.settle(owner)
    support.raises_here(function() m:remove() end, 'not added')
  end)

  it('needs call or call_async', function()
    support.raises_here(function() owner:method { path = path } end, path:gsub('%p', '%%%0'))
  end)

  it('is seen by fetchers without a value', function()
    local events = recorder()
    method { call = print }
    other:fetch({ path = { equals = path } }, events)
    wait(count(events, 1), 'the add')
    assert.are.same({ path, 'add' }, { events[1][1], events[1][2] })
    assert.is_nil(events[1][3])
  end)
end)

describe('Arguments of a method', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  local function row(name, args, expected)
    it(name, function()
      local calls = recorder()
      method { call = calls }
      call(args)
      assert.are.equal(expected.n, calls[1].n)
      assert.are.same(expected, calls[1])
    end)
  end

  row('nil: none', nil, { n = 0 })
  row('{}: none', {}, { n = 0 })
  row('empty array: none', array {}, { n = 0 })
  row('array: one each', { 1, 'b', false, { c = 1 } }, { n = 4, 1, 'b', false, { c = 1 } })
  row('array with holes: null there', { 1, nil, 3 }, { n = 3, 1, null, 3 })
  row('array that ends with null: kept', { 1, null }, { n = 2, 1, null })
  row('object: one table', { a = 1 }, { n = 1, { a = 1 } })
  row('mixed keys: one table with text keys', { 1, a = 2 }, { n = 1, { ['1'] = 1, a = 2 } })
  row('number: that', 5, { n = 1, 5 })
  row('string: that', 's', { n = 1, 's' })
  row('empty string: that', '', { n = 1, '' })
  row('true: that', true, { n = 1, true })
  row('false: none', false, { n = 0 })
  row('one array in an array', { { 1, 2 } }, { n = 1, { 1, 2 } })

  it('two hundred of them, and the same for call_async behind the reply', function()
    local args = {}
    for i = 1, 200 do args[i] = i end
    method { call = function(...) return { select('#', ...), (select(200, ...)) } end }
    assert.are.same({ 200, 200 }, call(args))
    path = path .. 2
    method { call_async = function(reply, ...) reply { result = { select('#', ...), (...) } } end }
    assert.are.same({ 200, 1 }, call(args))
    assert.are.same({ 1, { a = 1 } }, call { a = 1 })
    assert.are.same({ 0 }, call {})
    assert.are.same({ 1, 'x' }, call 'x')
  end)

  it('more than a Lua stack holds are an error, not a crash', function()
    local args = {}
    for i = 1, 300000 do args[i] = 0 end
    method { call = function(...) return select('#', ...) end }
    local kind, value = support.outcome(function(cbs) other:call(path, args, cbs) end)
    if kind == 'error' then
      assert.are.equal(-32603, value.code)
    else
      assert.are.equal(300000, value)
    end
    assert.are.equal(2, call { 1, 2 })
  end)
end)

describe('call', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('answers what the function returns first, {} for nil', function()
    local returned = {}
    method { call = function() return returned[1], returned[2] end }
    for _, value in ipairs { 1, 'x', true, false, 0, '', null, { 1, 2 }, { a = { 1 } } } do
      returned = { value, 'dropped' }
      assert.are.same(value, call())
    end
    returned = {}
    assert.are.same({}, call())
  end)

  it('answers an error object that is raised as it is, and -32603 for the rest', function()
    local raised
    -- Lua 5.1 puts the place in front of numbers, too.
    method { call = function() error(raised, type(raised) == 'number' and 0 or 1) end }
    raised = { code = 1, message = 'm', more = 2 }
    assert.are.same(raised, refused())
    for _, each in ipairs { 'text', { a = 1 }, 5, false } do
      raised = each
      local err = refused()
      assert.are.equal(-32603, err.code)
      if type(each) == 'string' then
        assert.is_truthy(err.data:find '^spec/peer_method_spec.lua:%d+: text$')
      else
        assert.are.same(each, err.data)
      end
    end
  end)

  it('wins over call_async', function()
    method { call = function() return 1 end, call_async = error }
    assert.are.equal(1, call())
  end)

  it('answers the same on errors deep in a coroutine or in C', function()
    method { call = function() return string.rep() end }
    assert.is_string(refused().data)
    path = path .. 2
    method { call = coroutine.wrap(function() error 'inside' end) }
    assert.is_truthy(refused().data:find('inside', 1, true))
  end)
end)

describe('call_async', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  local function row(name, response, expected)
    it(name, function()
      local reply
      method { call_async = function(r) reply = r end }
      local kind, value
      other:call(path, {}, {
        success = function(v) kind, value = 'success', v end,
        error = function(e) kind, value = 'error', e end,
      })
      wait(function() return reply end, 'the request')
      reply(response)
      wait(function() return kind end, 'the answer')
      if expected.error then
        assert.are.equal('error', kind)
        for key, each in pairs(expected.error) do assert.are.same(each, value[key]) end
      else
        assert.are.equal('success', kind)
        assert.are.same(expected.result, value)
      end
    end)
  end

  row('result', { result = { 1 } }, { result = { 1 } })
  row('result false', { result = false }, { result = false })
  row('result null', { result = null }, { result = null })
  row('error object', { error = { code = 5, message = 'm' } }, { error = { code = 5, message = 'm' } })
  row('error text becomes an object', { error = 'text' }, { error = { code = -32603, data = 'text' } })
  row('error table without code becomes an object', { error = { a = 1 } }, { error = { code = -32603, data = { a = 1 } } })
  row('error wins', { error = 'text', result = 1 }, { error = { code = -32603 } })
  row('neither', {}, { error = { code = -32603 } })
  row('result that cannot be sent', { result = { a = print } },
    { error = { code = -32603, data = 'result.a: cannot send a function' } })

  it('that raises answers -32603', function()
    method { call_async = function() error 'raised' end }
    assert.is_truthy(refused().data:find('raised', 1, true))
  end)
end)
