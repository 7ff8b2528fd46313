--- Values of every kind through the bus and back: from a set, through the owner, to a fetcher.

local jet = require 'jet'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, null, array = support.wait, support.recorder, support.null, jet.array
local result = support.result
local count = support.count

local integers = math.type ~= nil

local owner, other, state, events, path

local function setup_bus()
  owner, other = support.pair()
  path = support.prefix() .. 'value'
  result(function(cbs) state = owner:state({ path = path, value = 0, set = function() end }, cbs) end)
  events = recorder()
  result(function(cbs) other:fetch({ path = { equals = path } }, events, cbs) end)
  wait(count(events, 1), 'the add')
end

--- Sets the state from the other peer: what the owner got, the answer and the event, which have to be the same.
local function around(value)
  local before = #events
  local answer = result(function(cbs) other:set(path, value, cbs) end, { valueAsResult = true })
  wait(count(events, before + 1), 'the change')
  assert.are.same(answer, events[before + 1][3])
  assert.are.same(answer, state:value())
  return answer
end

describe('Through the bus and back', function()
  before_each(setup_bus)
  after_each(support.cleanup)

  it('null, booleans, strings and empty containers stay what they are', function()
    for _, value in ipairs { null, true, false, '', 'x', 'é\0\1\127"\\/', {}, { null }, { a = null } } do
      local back = around(value)
      assert.are.same(value, back)
      assert.are.equal(type(value), type(back))
    end
  end)

  it('[] stays an array, {} an object', function()
    assert.are.equal('[]', jet.encode(around(array {})))
    assert.are.equal('{}', jet.encode(around {}))
    assert.are.equal('{"a":[[],{}]}', jet.encode(around { a = { array {}, {} } }))
  end)

  it('sparse and mixed tables follow the rules of lua-cjson', function()
    assert.are.same({ 1, null, 3 }, around { 1, nil, 3 })
    assert.are.same({ ['1'] = 1, a = 2 }, around { 1, a = 2 })
    assert.are.same({ ['1.5'] = 1, ['-1'] = 2 }, around { [1.5] = 1, [-1] = 2 })
    local ten = around { [10] = 1 }
    assert.are.equal(10, #ten)
    support.raises_here(function() other:set(path, { [11] = 1 }) end, 'value: .*sparse')
    support.raises_here(function() other:set(path, { a = { [{}] = 1 } }) end, 'value%.a: .*table as key')
    support.raises_here(function() other:set(path, { [true] = 1 }) end, 'value: .*boolean')
  end)

  it('doubles come back as the same number', function()
    local numbers = { 0, 1, -1, 0.1, 0.1 + 0.2, math.pi, 1e300, -1e300, 5e-324, 1.7976931348623157e308, 2 ^ 53, 2 ^ 53 - 1,
      -2 ^ 53, 2 ^ 53 + 2, 123456789012345, 1e14, 1e15, 1e21, 1e22, 2 ^ -1074 }
    for _, number in ipairs(numbers) do assert.are.equal(number, around(number)) end
    local minus_zero = around(-0.0)
    assert.are.equal(0, minus_zero)
  end)

  it('integers of 64 bits are exact where Lua has them, and travel untouched elsewhere', function()
    if integers then
      local exact = math.tointeger(2 ^ 53)
      for _, number in ipairs { math.maxinteger, math.mininteger, exact, exact + 1, exact - 1 } do
        local back = around(number)
        assert.are.equal(number, back)
        assert.are.equal('integer', math.type(back))
      end
      local back = around(1.0)
      assert.are.equal('float', math.type(back))
      assert.are.equal('1.0', jet.encode(back))
      assert.are.equal('integer', math.type(around(1)))
    else
      assert.are.equal('1', jet.encode(around(1)))
    end
  end)

  it('NaN and infinities raise, and name the place', function()
    support.raises_here(function() other:set(path, 0 / 0) end, 'value: cannot send NaN')
    support.raises_here(function() other:set(path, { 1, { x = 1 / 0 } }) end, 'value%[2%]%.x: cannot send inf')
    support.raises_here(function() other:set(path, { 1, { x = -1 / 0 } }) end, 'value%[2%]%.x: cannot send %-inf')
  end)

  it('functions, coroutines, userdata and cycles raise, and name the place', function()
    support.raises_here(function() other:set(path, { list = { 1, 2, print } }) end, 'value%.list%[3%]: cannot send a function')
    local co = coroutine.create(function() end)
    support.raises_here(function() other:set(path, { co = co }) end, 'value%.co: cannot send a thread')
    support.raises_here(function() other:set(path, { ['a b'] = io.stdout }) end, 'value%["a b"%]: cannot send a userdata')
    local cycle = {}
    cycle.me = cycle
    support.raises_here(function() other:set(path, cycle) end, 'value%.me.*nested deeper than %d+ levels, or a cycle')
  end)

  it('nesting to the limit goes through, one level more raises', function()
    local function nested(levels)
      local value = {}
      for _ = 2, levels do value = { value } end
      return value
    end
    local sorted = recorder()
    other:fetch({ path = { equals = path }, sort = {} }, sorted)
    local back, depth = around(nested(1000)), 0
    while back do
      back, depth = back[1], depth + 1
    end
    assert.are.equal(1000, depth)
    -- The envelope of a sorted fetch is the deepest of all.
    wait(function() return #sorted > 0 and type(sorted[#sorted][1][1].value) == 'table' end, 'the sorted change')
    local too_deep = nested(1001)
    support.raises_here(function() other:set(path, too_deep) end, 'nested deeper')
    assert.are.equal(1, around(1))
  end)

  it('invalid UTF-8 becomes Latin-1 and is logged once', function()
    local log = recorder()
    other = support.connected { log = log }
    assert.are.equal('20 °C', around '20 \176C')
    assert.are.equal('20 °C', around '20 \176C')
    assert.are.same({ ['°'] = '°' }, around { ['\176'] = '\176' })
    assert.are.equal(1, #log)
    assert.is_truthy(log[1][1]:find('UTF-8', 1, true) or log[1][1]:find('Latin', 1, true))
  end)

  it('invalid UTF-8 raises with invalid_utf8 = "error"', function()
    local strict = support.connected { invalid_utf8 = 'error' }
    support.raises_here(function() strict:set(path, { a = '20 \176C' }) end, 'value%.a: .*UTF%-8')
    strict:set(path, '20 °C')
  end)

  it('10 MB go through, one byte more raises', function()
    -- The set message and what the daemon makes of it for the owner and the fetcher stay below.
    local value = ('x'):rep(9999000)
    assert.are.equal(#value, #around(value))
    local overhead = #('{"method":"set","params":{"path":"%s","value":""}}'):format(path)
    support.raises_here(function() other:set(path, ('x'):rep(10000001 - overhead)) end, '10000001 bytes')
    assert.are.equal(1, around(1))
  end)

  it('big tables go through', function()
    local value = {}
    for i = 1, 100000 do value[i] = i end
    local back = around(value)
    assert.are.equal(100000, #back)
    assert.are.equal(77777, back[77777])
    local object = {}
    for i = 1, 20000 do object['key' .. i] = { i } end
    assert.are.same({ 20000 }, around(object).key20000)
  end)

  it('metamethods of tables are not run and not needed', function()
    local value = setmetatable({ 1, 2 }, { __index = error, __newindex = error, __len = error, __pairs = error })
    assert.are.same({ 1, 2 }, around(value))
  end)

  it('__index and __pairs cannot be used to call into the peer while it sends', function()
    local value = setmetatable({}, { __index = function() owner:close() end })
    assert.are.same({}, around(value))
  end)
end)

describe('Invalid UTF-8 from the daemon', function()
  after_each(support.cleanup)

  local function told(config)
    local server = wire.daemon(function(connection)
      connection:greet()
      connection:reply(connection:expect 'add', true)
      for _ = 1, 2 do connection:send '{"method":"m","params":["20 \176C"]}' end
      connection:send '{"method":"m","params":["last"]}'
      connection:read()
    end)
    config.port = server.port
    local calls = recorder()
    support.peer(config):method { path = 'm', call = calls }
    wait(function() return #calls > 0 and calls[#calls][1] == 'last' end, 'the calls')
    return calls
  end

  it('is read as Latin-1 and logged once', function()
    local log = recorder()
    local calls = told { log = log }
    assert.are.equal(3, #calls)
    assert.are.equal('20 °C', calls[1][1])
    assert.are.equal(1, #log)
  end)

  it('is dropped and logged with invalid_utf8 = "error"', function()
    local log = recorder()
    local calls = told { log = log, invalid_utf8 = 'error' }
    assert.are.equal(1, #calls)
    assert.is_true(#log >= 1)
  end)
end)
