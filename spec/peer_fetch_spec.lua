--- Unsorted fetches: the callback, every rule of both generations, and the fetcher's ref.

local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, refusal = support.result, support.refusal
local array = require('jet').array

local function count(list, n)
  return function() return #list >= n end
end

local owner, other, prefix

local function setup_peers()
  owner, other = support.pair()
  prefix = support.prefix()
end

--- The events a fetch of `other` records, after its answer.
local function fetch(expression)
  local events, fetcher = recorder(), nil
  result(function(cbs) fetcher = other:fetch(expression, events, cbs) end)
  support.settle(other)
  return events, fetcher
end

--- The sorted paths behind the prefix that a fetch finds at first.
local function found(expression)
  local events, fetcher = fetch(expression)
  local names = {}
  for _, event in ipairs(events) do
    local path = event[1]
    if path:sub(1, #prefix) == prefix then names[#names + 1] = path:sub(#prefix + 1) end
  end
  fetcher:unfetch()
  table.sort(names)
  return table.concat(names, ' ')
end

describe('The fetch callback', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('gets path, event, value and the fetcher, in that order', function()
    local events, fetcher = fetch { path = { equals = prefix .. 's' } }
    local state = owner:state { path = prefix .. 's', value = 1 }
    state:value(2)
    state:remove()
    wait(count(events, 3), 'three events')
    local path = prefix .. 's'
    assert.are.same({ n = 4, path, 'add', 1 }, { n = events[1].n, events[1][1], events[1][2], events[1][3] })
    assert.are.same({ path, 'change', 2 }, { events[2][1], events[2][2], events[2][3] })
    assert.are.same({ path, 'remove', 2 }, { events[3][1], events[3][2], events[3][3] })
    assert.are.equal(fetcher, events[1][4])
  end)

  it('gets event, path, value and the fetcher with event_first', function()
    local p = support.connected { event_first = true }
    local events = recorder()
    local fetcher = p:fetch({ path = { equals = prefix .. 's' } }, events)
    owner:state { path = prefix .. 's', value = 1 }
    wait(count(events, 1), 'the add')
    assert.are.same({ 'add', prefix .. 's', 1 }, { events[1][1], events[1][2], events[1][3] })
    assert.are.equal(fetcher, events[1][4])
  end)

  it('gets nil for methods and missing values, null for null, false for false', function()
    local events = fetch { path = { startsWith = prefix } }
    owner:method { path = prefix .. 'm', call = print }
    owner:state { path = prefix .. 'n' }
    owner:state { path = prefix .. 'null', value = null }
    owner:state { path = prefix .. 'false', value = false }
    wait(count(events, 4), 'four adds')
    assert.are.same({ nil, nil, null, false }, { events[1][3], events[2][3], events[3][3], events[4][3] })
    assert.are.equal(4, events[1].n)
  end)

  it('that raises is reported and gets the next event (D22)', function()
    local log, seen = recorder(), {}
    local p = support.connected { log = log }
    p:fetch({ path = { startsWith = prefix } }, function(path)
      seen[#seen + 1] = path
      error('raised for ' .. path)
    end)
    owner:state { path = prefix .. 'a', value = 1 }
    owner:state { path = prefix .. 'b', value = 1 }
    wait(count(seen, 2), 'both events')
    assert.are.equal(2, #log)
    assert.is_truthy(log[1][1]:find('raised for ' .. prefix .. 'a', 1, true))
    assert.is_truthy(log[1][1]:find('traceback', 1, true))
  end)

  it('is called after success, with what exists in the order of creation', function()
    for i = 1, 5 do owner:state { path = prefix .. i, value = i } end
    support.settle(owner)
    local order = {}
    other:fetch({ path = { startsWith = prefix } }, function(_, event, value)
      order[#order + 1] = event .. value
    end, { success = function() order[#order + 1] = 'success' end })
    wait(count(order, 6), 'everything')
    assert.are.equal('success', order[1])
  end)

  it('hears of every change, also of equal values', function()
    local events = fetch { path = { startsWith = prefix } }
    local state = owner:state { path = prefix .. 's', value = 1 }
    state:value(1)
    state:value(1)
    wait(count(events, 3), 'add and both changes')
  end)
end)

describe('A string as fetch expression', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('finds plain text and Lua patterns alike', function()
    for _, name in ipairs { 'net-settings', 'a.b', 'axb', 'x%d', 'n17' } do
      owner:state { path = prefix .. name, value = 1 }
    end
    support.settle(owner)
    assert.are.equal('net-settings', found 'net-settings')
    assert.are.equal('a.b axb', found 'a.b')
    assert.are.equal('x%d', found 'x%d')
    assert.are.equal('n17', found '%d%d$')
    assert.are.equal('a.b axb n17 net-settings x%d', found '.*')
    assert.are.equal('a.b axb n17 net-settings x%d', found '')
    assert.are.equal('a.b', found('^' .. prefix .. 'a%.b$'))
    assert.are.equal('', found '^a%.b$')
    -- No pattern at all, but text that occurs nowhere.
    assert.are.equal('', found '[unclosed')
  end)
end)

describe('Path rules', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  --- Adds states with these names and values.
  local function states(list)
    for name, value in pairs(list) do owner:state { path = prefix .. name, value = value } end
    support.settle(owner)
  end

  it('of the later generation find exactly what they say', function()
    states { abc = 1, abd = 1, xabc = 1, ABC = 1, b = 1, xaaab = 1 }
    local p = prefix
    local rows = {
      { { equals = p .. 'abc' }, 'abc' },
      { { equalsNot = p .. 'abc', startsWith = p }, 'ABC abd b xaaab xabc' },
      { { startsWith = p .. 'ab' }, 'abc abd' },
      { { startsNotWith = p .. 'ab', contains = p }, 'ABC b xaaab xabc' },
      { { startsWith = p, endsWith = 'bc' }, 'abc xabc' },
      { { startsWith = p, endsNotWith = 'bc' }, 'ABC abd b xaaab' },
      { { startsWith = p, contains = 'aab' }, 'xaaab' },
      { { startsWith = p, contains = '' }, 'ABC abc abd b xaaab xabc' },
      { { startsWith = p, endsWith = '' }, 'ABC abc abd b xaaab xabc' },
      { { startsWith = p .. 'abc', contains = 'a' }, 'abc' },
      { { startsWith = p, containsNot = 'a' }, 'ABC b' },
      -- The prefix has a 'c' of its own.
      { { startsWith = p, containsAllOf = { 'x', 'c' } }, 'xaaab xabc' },
      { { startsWith = p, containsAllOf = array {} }, 'ABC abc abd b xaaab xabc' },
      { { startsWith = p, containsOneOf = { 'abd', 'ABC' } }, 'ABC abd' },
      { { startsWith = p, containsOneOf = array {} }, '' },
      { { equalsOneOf = { p .. 'b', p .. 'abd' } }, 'abd b' },
      { { startsWith = p, equalsNotOneOf = { p .. 'b', p .. 'abd' } }, 'ABC abc xaaab xabc' },
      { { startsWith = p, equalsNotOneOf = array {} }, 'ABC abc abd b xaaab xabc' },
      { { equals = p:upper() .. 'aBc', caseInsensitive = true }, 'ABC abc' },
      { { startsWith = p, endsWith = 'BC', caseInsensitive = true }, 'ABC abc xabc' },
      { { startsWith = p, endsWith = false }, 'ABC abc abd b xaaab xabc' },
    }
    for index, row in ipairs(rows) do
      assert.are.equal(index .. ': ' .. row[2], index .. ': ' .. found { path = row[1] })
    end
    for _, everything in ipairs { {}, { path = {} }, { path = array {} } } do
      assert.are.equal('ABC abc abd b xaaab xabc', found(everything))
    end
  end)

  it('with one-byte and nested paths find all of them (D5, D6)', function()
    local names = { '1', '11', 'a1', 'a11', 'a1b', 'foo/1', 'foo/2', 's1' }
    for _, name in ipairs(names) do owner:state { path = prefix .. name, value = 1 } end
    support.settle(owner)
    assert.are.equal('1 11 a1 a11 foo/1 s1', found { path = { startsWith = prefix, endsWith = '1' } })
    assert.are.equal('foo/1', found { path = { equals = prefix .. 'foo/1' } })
    assert.are.equal('', found { path = { equals = prefix .. 'foo/' } })
    assert.are.equal('s1', found { path = { contains = 's1', startsWith = prefix .. 's1' } })
    assert.are.equal('1 11', found { path = { startsWith = prefix .. '1' } })
  end)

  it('of the first generation find what their patterns match', function()
    states { abc = 1, ABD = 1, x12 = 1, y = 1 }
    local p = prefix
    local rows = {
      { { match = { '^' .. p .. 'a' } }, 'abc' },
      { { matches = { '^' .. p .. 'a', '%d%d$' } }, 'abc x12' },
      { { match = { p }, unmatch = { '%u', 'y$' } }, 'abc x12' },
      { { match = { p }, unmatches = { '%u' } }, 'abc x12 y' },
      { { match = { p }, equalsNot = { p .. 'abc' } }, 'ABD x12 y' },
      { { unmatch = { p .. 'y', p .. 'x' } }, 'ABD abc' },
      { { equalsNot = { p .. 'y' } }, 'ABD abc x12' },
      { { match = { p .. 'ab' }, caseInsensitive = true }, 'ABD abc' },
      { { match = { p }, path = { endsWith = 'c' } }, 'abc' },
    }
    for index, row in ipairs(rows) do
      assert.are.equal(index .. ': ' .. row[2], index .. ': ' .. found(row[1]))
    end
  end)

  it('max and deps of the first generation', function()
    states { a = 1, b = 2, c = 3, ['dep_a'] = true, ['dep_b'] = false }
    local events = fetch { match = { '^' .. prefix .. '%a$' }, max = 2 }
    assert.are.equal(2, #events)
    assert.are.equal('a', found {
      match = { '^(' .. prefix .. ')(%a)$' },
      deps = { { path = '\\1dep_\\2', where = { op = 'equals', value = true } } },
    })
  end)

  it('that no generation knows are ignored and named in a warning', function()
    local log = recorder()
    other = support.connected { log = log }
    states { a = 1 }
    assert.are.equal('a', found { path = { startsWidth = prefix, startsWith = prefix } })
    assert.is_true(#log >= 1)
    assert.is_truthy(log[1][1]:find('startsWidth', 1, true))
    assert.is_truthy(log[1][1]:find('startsWith', 1, true))
  end)

  it('that are hostile patterns cost no time', function()
    states { [('a'):rep(200)] = 1 }
    assert.are.equal('', found { match = { ('a*'):rep(30) .. 'b' } })
  end)
end)

describe('Value rules', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  local function states()
    local list = {
      { 'n1', 1 }, { 'n5', 5 }, { 'sx', 'x' }, { 'sy', 'y' }, { 'f', false }, { 't', true }, { 'null', null },
      { 'o', { a = { b = 3 }, list = { 7, 8 }, ['a-b'] = 1 } }, { 'l', { 1, 2, 'x' } }, { 'e', array {} },
    }
    for _, each in ipairs(list) do owner:state { path = prefix .. each[1], value = each[2] } end
    owner:method { path = prefix .. 'm', call = print }
    support.settle(owner)
  end

  it('of the later generation', function()
    states()
    local rows = {
      { { equals = 1 }, 'n1' },
      { { equals = '1' }, '' },
      { { equals = false }, 'f' },
      { { equals = null }, 'null' },
      { { equalsNot = 1 }, 'e f l m n5 null o sx sy t' },
      { { lessThan = 5 }, 'n1' },
      { { greaterThan = 1 }, 'n5' },
      { { greaterThan = 'x' }, 'sy' },
      { { isType = 'number' }, 'n1 n5' },
      { { isType = 'string' }, 'sx sy' },
      { { isType = 'boolean' }, 'f t' },
      { { isType = 'object' }, 'e l o' },
      { { isType = 'table' }, 'e l o' },
      { { isType = 'nil' }, 'm' },
      { { hasOneOf = { 2, 9 } }, 'l' },
      { { hasAllOf = { 1, 'x' } }, 'l' },
      { { hasAllOf = { 1, 9 } }, '' },
    }
    for index, row in ipairs(rows) do
      local expression = { path = { startsWith = prefix }, value = row[1] }
      assert.are.equal(index .. ': ' .. row[2], index .. ': ' .. found(expression))
    end
  end)

  it('of fields', function()
    states()
    local rows = {
      { { ['a.b'] = { equals = 3 } }, 'o' },
      { { ['a.b'] = { lessThan = 3 } }, '' },
      { { ['list[1]'] = { equals = 7 } }, 'o' },
      { { ["['a-b']"] = { equals = 1 } }, 'o' },
      { { ['a.b'] = {} }, 'o' },
      { { ['a.b'] = { equals = 3 }, ['list[2]'] = { equals = 8 } }, 'o' },
      { { ['a.b'] = { equals = 3 }, ['list[2]'] = { equals = 9 } }, '' },
      { { ['no.such'] = { equals = 3 } }, '' },
    }
    for index, row in ipairs(rows) do
      local expression = { path = { startsWith = prefix }, valueField = row[1] }
      assert.are.equal(index .. ': ' .. row[2], index .. ': ' .. found(expression))
    end
  end)

  it('are never compiled as a program (D11)', function()
    states()
    local expression = { path = { startsWith = prefix }, valueField = { ['zz or 42'] = { equals = 42 } } }
    local kind = support.outcome(function(cbs) other:fetch(expression, error, cbs) end)
    assert.is_truthy(kind == 'success' or kind == 'error')
    support.settle(other)
  end)

  it('of the first generation: where', function()
    states()
    local p = '^' .. prefix
    local rows = {
      { { op = 'equals', value = 1 }, 'n1' },
      { { op = 'greaterThan', value = 1 }, 'n5' },
      { { op = 'lessThan', value = 5 }, 'n1' },
      { { op = 'equals', value = 1, prop = 'a-b' }, 'o' },
      { { { op = 'greaterThan', value = 0 }, { op = 'lessThan', value = 5 } }, 'n1' },
    }
    for index, row in ipairs(rows) do
      local expression = { match = { p }, where = row[1] }
      assert.are.equal(index .. ': ' .. row[2], index .. ': ' .. found(expression))
    end
  end)

  it('enter as add, stay as change, leave as remove with the new value', function()
    local events = fetch { path = { startsWith = prefix }, value = { greaterThan = 10 } }
    local state = owner:state { path = prefix .. 's', value = 1 }
    for _, value in ipairs { 11, 12, 3, 'x', 20 } do state:value(value) end
    state:remove()
    wait(count(events, 5), 'the events')
    support.settle(owner, other)
    local seen = {}
    for index, event in ipairs(events) do seen[index] = event[2] .. ' ' .. tostring(event[3]) end
    assert.are.same({ 'add 11', 'change 12', 'remove 3', 'add 20', 'remove 20' }, seen)
  end)

  it('without a path rule look at every element on every change (D7)', function()
    local mark = prefix .. 'mark'
    local state = owner:state { path = prefix .. 's', value = 'no' }
    support.settle(owner)
    local events = fetch { value = { equals = mark } }
    assert.are.equal(0, #events)
    state:value(mark)
    wait(count(events, 1), 'the add')
    assert.are.equal('add', events[1][2])
    state:value 'no'
    wait(count(events, 2), 'the remove')
  end)
end)

describe('A fetcher ref', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('is_fetching follows the answers with callbacks, and the calls without', function()
    local fetcher
    result(function(cbs)
      fetcher = other:fetch({ path = { startsWith = prefix } }, function() end, cbs)
      assert.is_false(fetcher:is_fetching())
    end)
    assert.is_true(fetcher:is_fetching())
    result(function(cbs)
      fetcher:unfetch(cbs)
      assert.is_true(fetcher:is_fetching())
    end)
    assert.is_false(fetcher:is_fetching())
    fetcher:fetch()
    assert.is_true(fetcher:is_fetching())
    fetcher:unfetch()
    assert.is_false(fetcher:is_fetching())
  end)

  it('is not fetching after a refused fetch (D18), and it can be refused again', function()
    local fetcher
    refusal(function(cbs) fetcher = other:fetch({ path = { contains = 5 } }, error, cbs) end)
    assert.is_false(fetcher:is_fetching())
    refusal(function(cbs) fetcher:fetch(cbs) end)
    assert.is_false(fetcher:is_fetching())
    owner:state { path = prefix .. 's', value = 1 }
    support.settle(owner, other)
  end)

  it('no events after unfetch; with callbacks until its answer', function()
    local events, fetcher = fetch { path = { startsWith = prefix } }
    local state = owner:state { path = prefix .. 's', value = 1 }
    wait(count(events, 1), 'the add')
    fetcher:unfetch()
    state:value(2)
    support.settle(owner, other)
    assert.are.equal(1, #events)
  end)

  it('fetches again after unfetch, with all that exists', function()
    local events, fetcher = fetch { path = { startsWith = prefix } }
    owner:state { path = prefix .. 's', value = 1 }
    wait(count(events, 1), 'the add')
    fetcher:unfetch()
    fetcher:fetch()
    wait(count(events, 2), 'the add again')
    assert.are.equal('add', events[2][2])
  end)

  it('fetch() while fetching tells all anew and each change once (D17)', function()
    local state = owner:state { path = prefix .. 's', value = 1 }
    support.settle(owner)
    local events, fetcher = fetch { path = { startsWith = prefix } }
    fetcher:fetch()
    wait(count(events, 2), 'the add again')
    state:value(2)
    support.settle(owner, other)
    assert.are.equal(3, #events)
    result(function(cbs) fetcher:unfetch(cbs) end)
    state:value(3)
    support.settle(owner, other)
    assert.are.equal(3, #events)
  end)

  it('the seed\'s two examples: the first five events, and a toggle', function()
    for i = 1, 10 do owner:state { path = prefix .. i, value = i } end
    support.settle(owner)
    local i = 0
    other:fetch('^' .. prefix, function(_, _, _, fetcher)
      i = i + 1
      if i == 5 then fetcher:unfetch() end
    end)
    support.settle(other)
    assert.are.equal(5, i)

    local events, fetcher = fetch('^' .. prefix .. '%d')
    owner:method { path = prefix .. 'toggle', call = function()
      if fetcher:is_fetching() then
        fetcher:unfetch()
        return 'off'
      end
      fetcher:fetch()
      return 'on'
    end }
    local function toggle()
      return result(function(cbs) other:call(prefix .. 'toggle', {}, cbs) end)
    end
    assert.are.equal(10, #events)
    assert.are.equal('off', toggle())
    assert.are.equal('on', toggle())
    wait(count(events, 20), 'everything again')
  end)

  it('two fetchers from one table, and the same path, do not disturb each other', function()
    local expression = { path = { startsWith = prefix } }
    local first, one = fetch(expression)
    local second = fetch(expression)
    one:unfetch()
    one:fetch()
    owner:state { path = prefix .. 's', value = 1 }
    wait(count(second, 1), 'the add')
    support.settle(other)
    assert.are.equal(1, #first)
    assert.are.equal(1, #second)
  end)

  it('before the connection: fetched, unfetched, fetched again', function()
    owner:state { path = prefix .. 's', value = 1 }
    support.settle(owner)
    local p = support.peer()
    local events, answers, silent = recorder(), recorder(), recorder()
    local fetcher = p:fetch({ path = { startsWith = prefix } }, events, { success = answers })
    fetcher:unfetch { success = answers }
    fetcher:fetch { success = answers }
    local ended = p:fetch({ path = { startsWith = prefix } }, silent, { success = answers, error = answers })
    ended:unfetch()
    wait(count(answers, 4), 'all four answers')
    support.settle(p)
    assert.is_true(fetcher:is_fetching())
    assert.is_true(#events >= 1)
    assert.is_false(ended:is_fetching())
    -- What was under way for the one that had ended belongs to nobody.
    support.take_log()
  end)
end)

describe('Notifications on the wire', function()
  after_each(support.cleanup)

  local function told(texts, expression)
    local events = recorder()
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'fetch'
      connection:reply(message, true)
      for _, text in ipairs(texts) do
        connection:send((text:gsub('ID', message.params.id)))
      end
      connection:accept_all()
    end)
    local p = support.peer { port = server.port }
    p:fetch(expression or {}, events, {})
    return events, p
  end

  it('take events in any case, without value, and in arrays', function()
    local events = told {
      '{"method":"ID","params":{"path":"a","event":"Add","value":1}}',
      '[{"method":"ID","params":{"path":"a","event":"CHANGE","value":2}},'
        .. '{"method":"ID","params":{"path":"a","event":"remove"}}]',
    }
    wait(count(events, 3), 'the events')
    assert.are.same({ 'add', 'change', 'remove' }, { events[1][2], events[2][2], events[3][2] })
    assert.is_nil(events[3][3])
  end)

  it('of sorted fetches take an empty object for an empty list', function()
    local events = told({ '{"method":"ID","params":{"changes":{},"n":0}}' }, { sort = {} })
    wait(count(events, 1), 'the event')
    assert.are.same({}, events[1][1])
    assert.are.equal(0, events[1][2])
    assert.are.equal(3, events[1].n)
  end)

  it('may come before the answer to the fetch: success is told first', function()
    local order = {}
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'fetch'
      connection:send { method = message.params.id, params = { path = 'a', event = 'add', value = 1 } }
      connection:reply(message, true)
      connection:accept_all()
    end)
    local p = support.peer { port = server.port }
    p:fetch({}, function(path) order[#order + 1] = path end, { success = function() order[#order + 1] = 'ok' end })
    wait(count(order, 2), 'both')
    assert.are.same({ 'ok', 'a' }, order)
  end)

  it('of a fetch that has ended go nowhere', function()
    local events, p = told {
      '{"method":"ID","params":{"path":"a","event":"add","value":1}}',
      '{"method":"__f__77","params":{"path":"a","event":"add","value":1}}',
    }
    local unknown = recorder()
    p:on_no_dispatcher(unknown)
    wait(count(unknown, 1), 'the stray one')
    assert.are.equal(1, #events)
  end)
end)
