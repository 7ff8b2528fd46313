--- The matches of a fetch: strings, path rules and value rules of both generations, through the whole stack.

local support = require 'spec.support.fixture'

local wait, recorder, null = support.wait, support.recorder, support.null
local result = support.result
local array = require('jet').array
local count = support.count

local owner, other, prefix

local setup_peers = support.setup(function(...) owner, other, prefix = ... end)

--- Returns the events a fetch of `other` records, after its answer.
local function fetch(expression)
  local events, fetcher = recorder(), nil
  result(function(cbs) fetcher = other:fetch(expression, events, cbs) end)
  support.settle(other)
  return events, fetcher
end

--- Returns the sorted paths behind the prefix that a fetch finds at first.
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

  it('with one-byte and nested paths find all of them', function()
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

  it('are never compiled as a program', function()
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

  it('without a path rule look at every element on every change', function()
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
