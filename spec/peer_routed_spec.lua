--- Requests as they arrive on the wire: raw elements, messages without a receiver, routed requests.

local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder = support.wait, support.recorder
local result, refusal = support.result, support.refusal
local count = support.count

local owner, other, path

local setup_peers = support.setup(function(first, second, prefix) owner, other, path = first, second, prefix .. 'm' end)

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

describe('Routed requests', function()
  after_each(support.cleanup)

  --- Returns the responses of a peer with a state and a method to such params.
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

  it('with params that are neither object nor array are refused by states, and are an argument of methods', function()
    local answers = answers_to {
      '{"id":"1","method":"s","params":5}',
      '{"id":"2","method":"m","params":"x"}',
      '{"id":"3","method":"m","params":true}',
      '{"id":"4","method":"m","params":5}',
    }
    assert.are.equal('1', answers[1].id)
    assert.are.equal(-32602, answers[1].error.code)
    assert.are.same({ wrongType = 'params', got = 5 }, answers[1].error.data)
    assert.are.same({ 1, 'x' }, answers[2].result)
    assert.are.same({ 1, true }, answers[3].result)
    assert.are.same({ 1, 5 }, answers[4].result)
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
