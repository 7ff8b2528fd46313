--- States: the ref and what it can do. What a set leads to is in `peer_set_spec.lua`.

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

describe('A state ref', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('has path, value, is_added, add and remove', function()
    local state, events = watched { value = { a = 1 } }
    assert.are.equal(path, state:path())
    assert.are.same({ a = 1 }, state:value())
    assert.is_true(state:is_added())
    assert.are.same({ path, 'add', { a = 1 } }, { events[1][1], events[1][2], events[1][3] })
    state:remove()
    assert.is_false(state:is_added())
    wait(count(events, 2), 'the remove')
    assert.are.same({ path, 'remove', { a = 1 } }, { events[2][1], events[2][2], events[2][3] })
    state:add { b = 2 }
    wait(count(events, 3), 'the add')
    assert.are.same({ path, 'add', { b = 2 } }, { events[3][1], events[3][2], events[3][3] })
    assert.are.same({ b = 2 }, state:value())
  end)

  it('returns the very table that was supplied, and desc.value follows', function()
    local value, description = { 1 }, { path = path }
    description.value = value
    local state = owner:state(description)
    assert.is_true(rawequal(value, state:value()))
    state:value(5)
    assert.are.equal(5, description.value)
    support.settle(owner)
    other:set(path, 6)
  end)

  it('value(v) posts each change, without looking at what it was', function()
    local state, events = watched { value = 1 }
    for _, value in ipairs { 2, 2, false, 'x', null } do
      state:value(value)
      assert.are.equal(value, state:value())
    end
    assert.are.equal(null, state:value(nil))
    wait(count(events, 6), 'the changes')
    local seen = {}
    for i = 2, 6 do
      assert.are.equal('change', events[i][2])
      seen[i - 1] = events[i][3]
    end
    assert.are.same({ 2, 2, false, 'x', null }, seen)
  end)

  it('value(v) returns nothing', function()
    local state = owner:state { path = path, value = 1 }
    assert.are.equal(0, select('#', state:value(2)))
  end)

  it('is_added follows the answer with callbacks, and the call without', function()
    local state
    result(function(cbs)
      state = owner:state({ path = path, value = 1 }, cbs)
      assert.is_false(state:is_added())
    end)
    assert.is_true(state:is_added())
    result(function(cbs)
      state:remove(cbs)
      assert.is_true(state:is_added())
    end)
    assert.is_false(state:is_added())
    state:add()
    assert.is_true(state:is_added())
    state:remove()
    assert.is_false(state:is_added())
  end)

  it('a refused add is not added, with callbacks or without', function()
    owner:state { path = path, value = 1 }
    support.settle(owner)
    local mine
    refusal(function(cbs) mine = other:state({ path = path, value = 2 }, cbs) end)
    assert.is_false(mine:is_added())
    local second = other:state { path = path, value = 3 }
    support.settle(other)
    assert.is_false(second:is_added())
    assert.is_truthy(support.wait_log(path):find('path already exists', 1, true))
    -- And the path stays the owner's.
    other:set(path, 1)
    support.settle(other)
  end)

  it('a refused remove calls error and changes nothing', function()
    local state
    result(function(cbs) state = owner:state({ path = path, value = 1 }, cbs) end)
    owner:batch(function()
      -- The second one finds nothing any more.
      owner:remove(path, {})
      owner:remove(path, {})
    end)
    support.settle(owner)
    support.wait_log("^removing '" .. path .. "' failed: path does not exist")
    assert.is_false(state:is_added())
    assert.are.same({ pathNotExists = path }, refusal(function(cbs) owner:remove(path, cbs) end).data)
  end)

  it('add keeps the value unless there is a new one', function()
    local state, events = watched { value = 7 }
    state:remove()
    state:add(nil, {})
    wait(count(events, 3), 'remove and add')
    assert.are.equal(7, events[3][3])
  end)

  it('remove and add in one batch works without callbacks', function()
    local state, events = watched { value = 7, set = function() end }
    owner:batch(function()
      state:remove()
      state:add(8)
    end)
    wait(count(events, 3), 'remove and add')
    assert.are.same({ 'remove', 'add', 8 }, { events[2][2], events[3][2], events[3][3] })
    assert.is_true(state:is_added())
    assert.is_true(set(9))
  end)

  it('keeps a value that is set while it is removed for the next add, and says so once', function()
    local state, events = watched { value = 1 }
    state:remove()
    state:value(2)
    state:value(3)
    assert.are.same({ "'" .. path .. "' is not added: its new value is kept for the next add and not sent" },
      support.take_log())
    assert.are.equal(3, state:value())
    state:add()
    wait(count(events, 3), 'remove and add')
    assert.are.same({ 'remove', 1, 'add', 3 }, { events[2][2], events[2][3], events[3][2], events[3][3] })
  end)

  it('raises on add while added and on remove while not, at the caller', function()
    local state = owner:state { path = path, value = 1 }
    support.raises_here(function() state:add() end, 'already added')
    support.raises_here(function() owner:state { path = path } end, 'already added')
    state:remove()
    support.raises_here(function() state:remove() end, 'not added')
  end)

  it('may have no value, and the empty path', function()
    local events = recorder()
    local state = owner:state { path = path }
    assert.is_nil(state:value())
    owner:state { path = '' }
    support.settle(owner)
    other:fetch({ path = { equalsOneOf = { path, '' } } }, events)
    wait(count(events, 2), 'both')
    assert.are.equal(nil, events[1][3])
  end)

  it('paths like fetch ids and like each other are different things', function()
    local events = recorder()
    other:fetch({ path = { startsWith = '__f__' } }, events)
    local states = {}
    for index, each in ipairs { '__f__0', '__f__1', '1', '11', '111' } do
      result(function(cbs) states[index] = other:state({ path = each, value = index, set = function() end }, cbs) end)
    end
    wait(count(events, 2), 'both adds')
    assert.is_true(result(function(cbs) owner:set('__f__0', 5, cbs) end))
    assert.is_true(result(function(cbs) owner:set('11', 5, cbs) end))
    wait(count(events, 3), 'the change')
    assert.are.same({ '__f__0', 'change', 5 }, { events[3][1], events[3][2], events[3][3] })
    for _, state in ipairs(states) do state:remove() end
    wait(count(events, 5), 'the removes')
  end)
end)
