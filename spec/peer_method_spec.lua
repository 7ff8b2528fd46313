--- Methods, low-level elements, and messages for nobody.

local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, refusal = support.result, support.refusal
local array = require('jet').array

local function count(list, n)
  return function() return #list >= n end
end

local owner, other, path

local function setup_peers()
  owner, other = support.pair()
  path = support.prefix() .. 'm'
end

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
  row('result false (D4)', { result = false }, { result = false })
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

describe('peer:add and peer:remove', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('give the program the messages as they come, and a way to answer', function()
    local calls = recorder()
    result(function(cbs)
      owner:add({ path = path, value = 1 }, function(p, message, reply)
        calls(p, message)
        reply { result = message.params.value or 'called' }
      end, cbs)
    end)
    assert.are.equal(5, result(function(cbs) other:set(path, 5, cbs) end, { valueAsResult = true }))
    assert.are.equal(owner, calls[1][1])
    assert.are.equal(path, calls[1][2].method)
    assert.are.equal(5, calls[1][2].params.value)
    result(function(cbs) owner:remove(path, cbs) end)
    assert.are.same({ pathNotExists = path }, refusal(function(cbs) other:set(path, 5, cbs) end).data)
  end)

  it('check the path and the function, and that the path is free', function()
    support.raises_here(function() owner:add({}, print) end, "'desc.path'")
    support.raises_here(function() owner:add({ path = path }) end, "'dispatch'")
    owner:add({ path = path }, print)
    support.raises_here(function() owner:add({ path = path }, print) end, 'already added')
  end)

  it('remove works for states and methods too', function()
    local state = owner:state { path = path, value = 1 }
    owner:remove(path)
    assert.is_false(state:is_added())
    support.settle(owner)
    state:add(2)
    result(function(cbs) owner:remove(path, cbs) end)
    assert.is_false(state:is_added())
  end)
end)

describe('Messages for what a peer does not have', function()
  after_each(support.cleanup)

  local function told(messages)
    local answers = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      for _, message in ipairs(messages) do connection:send(message) end
      while true do
        local text = connection:read()
        if not text then return end
        answers[#answers + 1] = text
      end
    end)
    return server, answers
  end

  it('are answered -32601 if they have an id, and handed to on_no_dispatcher', function()
    local calls = recorder()
    local server, answers = told {
      { id = 'r1', method = 'nobody', params = { value = 1 } },
      { method = 'nobody', params = { value = 2 } },
    }
    local p = support.peer { port = server.port }
    p:on_no_dispatcher(calls)
    wait(count(calls, 2), 'both')
    wait(count(answers, 1), 'the answer')
    assert.are.same({ id = 'r1', error = { code = -32601, message = 'Method not found', data = 'nobody' } }, answers[1])
    assert.are.equal(1, calls[1].n)
    assert.are.same({ id = 'r1', method = 'nobody', params = { value = 1 } }, calls[1][1])
    assert.are.same({ method = 'nobody', params = { value = 2 } }, calls[2][1])
  end)

  it('are logged without on_no_dispatcher', function()
    local server = told { { method = 'nobody', params = {} } }
    support.connected { port = server.port }
    assert.is_truthy(support.wait_log('nobody'))
  end)

  it('stop nothing when on_no_dispatcher raises', function()
    local server = told { { method = 'nobody', params = {} }, { method = 'nobody', params = {} } }
    local p = support.peer { port = server.port }
    p:on_no_dispatcher(function() error 'raised here' end)
    support.wait_log('raised here')
    support.wait_log('raised here')
    p:on_no_dispatcher(nil)
  end)
end)

describe('Routed requests (D15)', function()
  after_each(support.cleanup)

  --- What a peer with a state and a method answers to such params.
  local function answers_to(list)
    local answers = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:reply(connection:expect 'add', true)
      connection:reply(connection:expect 'add', true)
      for _, text in ipairs(list) do connection:send(text) end
      while true do
        local message = connection:read()
        if not message then return end
        if message.id then answers[#answers + 1] = message end
      end
    end)
    local p = support.peer { port = server.port }
    p:state { path = 's', value = 1, set = function(v) return v end }
    p:method { path = 'm', call = function(...) return { select('#', ...), ... } end }
    wait(count(answers, #list), 'the answers')
    return answers
  end

  it('with params that are neither object nor array are refused -32602', function()
    local answers = answers_to {
      '{"id":"1","method":"s","params":5}',
      '{"id":"2","method":"m","params":"x"}',
      '{"id":"3","method":"m","params":true}',
    }
    for index, answer in ipairs(answers) do
      assert.are.equal(tostring(index), answer.id)
      assert.are.equal(-32602, answer.error.code)
    end
  end)

  it('without params are served: no value, no arguments', function()
    local answers = answers_to {
      '{"id":"1","method":"s"}',
      '{"id":"2","method":"s","params":null}',
      '{"id":"3","method":"m"}',
      '{"id":"4","method":"m","params":null}',
    }
    assert.is_true(answers[1].result)
    assert.is_true(answers[2].result)
    assert.are.same({ 0 }, answers[3].result)
    assert.are.same({ 0 }, answers[4].result)
  end)

  it('come back with their id exactly as it was', function()
    local answers = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:reply(connection:expect 'add', true)
      for _, id in ipairs { '12345678901234567890', '"a\\u00e9"', '1.50', '[1,{}]' } do
        connection:send('{"id":' .. id .. ',"method":"m","params":{}}')
      end
      while true do
        local text = connection:read_text()
        if not text then return end
        answers[#answers + 1] = text
      end
    end)
    local p = support.peer { port = server.port }
    p:method { path = 'm', call = function() return 1 end }
    wait(count(answers, 4), 'the answers')
    for index, id in ipairs { '12345678901234567890', '"a\\u00e9"', '1.50', '[1,{}]' } do
      assert.is_truthy(answers[index]:find('"id":' .. id, 1, true), answers[index])
    end
  end)

  it('of node-jet 3 (method "set" or "call" with a path) are served as well', function()
    local answers = answers_to {
      '{"id":"1","method":"set","params":{"path":"s","value":5}}',
      '{"id":"2","method":"call","params":{"path":"m","args":[1,2]}}',
      '{"id":"3","method":"call","params":{"path":"m"}}',
    }
    assert.is_true(answers[1].result)
    assert.are.same({ 2, 1, 2 }, answers[2].result)
    assert.are.same({ 0 }, answers[3].result)
  end)

  it('without id and with a null id are not answered', function()
    local answers = answers_to {
      '{"id":"1","method":"m","params":{}}',
    }
    assert.are.equal(1, #answers)
    local seen = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:reply(connection:expect 'add', true)
      connection:send '{"method":"m","params":[1]}'
      connection:send '{"id":null,"method":"m","params":[2]}'
      connection:send '{"id":0,"method":"m","params":[3]}'
      while true do
        local message = connection:read()
        if not message then return end
        seen[#seen + 1] = message
      end
    end)
    local p = support.peer { port = server.port }
    local calls = recorder()
    p:method { path = 'm', call = calls }
    wait(count(seen, 1), 'the answer')
    assert.are.equal(3, #calls)
    assert.are.equal(0, seen[1].id)
  end)
end)
