--- Sorted fetches through the whole stack: the callback, the window, and every from and to.

local support = require 'spec.support.fixture'

local wait, recorder, null = support.wait, support.recorder, support.null
local result = support.result
local count = support.count

local owner, other, prefix

local setup_peers = support.setup(function(...) owner, other, prefix = ... end)

--- Adds states by their names and returns them.
local function states(list)
  local made = {}
  for name, value in pairs(list) do
    made[name] = owner:state { path = prefix .. name, value = value }
  end
  support.settle(owner)
  return made
end

local function fetch(sort, value)
  local events, fetcher = recorder(), nil
  result(function(cbs)
    fetcher = other:fetch({ path = { startsWith = prefix }, sort = sort, value = value }, events, cbs)
  end)
  wait(count(events, 1), 'the first list')
  return events, fetcher
end

--- `name@index` of each change, and n.
local function shape(event)
  local list = {}
  for i, change in ipairs(event[1]) do
    list[i] = change.path:sub(#prefix + 1) .. '@' .. change.index
  end
  return table.concat(list, ' ') .. ' n=' .. event[2]
end

describe('The callback of a sorted fetch', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  it('gets the changes, n and the fetcher, at once and in one piece', function()
    states { b = 2, a = 1, c = 3 }
    local events, fetcher = fetch { byPath = true }
    assert.are.equal(3, events[1].n)
    assert.are.equal('a@1 b@2 c@3 n=3', shape(events[1]))
    assert.are.same({ path = prefix .. 'a', value = 1, index = 1 }, events[1][1][1])
    assert.are.equal(fetcher, events[1][3])
    support.settle(other)
    assert.are.equal(1, #events)
  end)

  it('gets an empty list when nothing matches', function()
    local events = fetch { byPath = true }
    assert.are.equal(' n=0', shape(events[1]))
  end)

  it('gets the same with event_first', function()
    states { a = 1 }
    local p = support.connected { event_first = true }
    local events = recorder()
    p:fetch({ path = { startsWith = prefix }, sort = {} }, events)
    wait(count(events, 1), 'the list')
    assert.are.equal('a@1 n=1', shape(events[1]))
  end)

  it('follows every add and remove inside a window (from 1, to 4)', function()
    local s = states { a = 1, b = 1, c = 1, d = 1, e = 1 }
    local events = fetch { from = 1, to = 4 }
    assert.are.equal('a@1 b@2 c@3 d@4 n=4', shape(events[1]))
    s.c:remove()
    wait(count(events, 2), 'the removal')
    assert.are.equal('d@3 e@4 n=4', shape(events[2]))
    s.e:remove()
    wait(count(events, 3), 'the removal')
    assert.are.equal(' n=3', shape(events[3]))
    s.e:add()
    wait(count(events, 4), 'the addition')
    assert.are.equal('e@4 n=4', shape(events[4]))
    s.d:remove()
    wait(count(events, 5), 'the removal')
    assert.are.equal('e@3 n=3', shape(events[5]))
  end)

  it('gets a change of value without a change of rank, and nothing from outside the window', function()
    local s = states { a = 1, b = 2, c = 3, d = 4 }
    local events = fetch { byValue = 'number', from = 2, to = 3 }
    assert.are.equal('b@2 c@3 n=2', shape(events[1]))
    s.b:value(2.5)
    wait(count(events, 2), 'the change')
    assert.are.equal('b@2 n=2', shape(events[2]))
    assert.are.equal(2.5, events[2][1][1].value)
    s.a:value(0)
    s.d:value(9)
    support.settle(owner, other)
    assert.are.equal(2, #events)
  end)
end)

describe('sort', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  local function first(sort)
    local events, fetcher = fetch(sort)
    fetcher:unfetch()
    return shape(events[1])
  end

  it('byPath, byValue and byValueField, both ways', function()
    states { a = { score = 3, name = 'x' }, b = { score = 1, name = 'z' }, c = { score = 2, name = 'y' }, n = 5, m = 4 }
    assert.are.equal('a@1 b@2 c@3 m@4 n@5 n=5', first { byPath = true })
    assert.are.equal('n@1 m@2 c@3 b@4 a@5 n=5', first { byPath = true, descending = true })
    assert.are.equal('m@1 n@2 n=2', first { byValue = 'number' })
    assert.are.equal('b@1 c@2 a@3 n=3', first { byValueField = { score = 'number' } })
    assert.are.equal('b@1 c@2 a@3 n=3', first { byValueField = { name = 'string' }, descending = true })
  end)

  it('of the first generation: byValue = true with prop', function()
    states { a = { score = 3 }, b = { score = 1 }, c = { score = 2 } }
    assert.are.equal('a@1 c@2 b@3 n=3', first { byValue = true, prop = 'score', descending = true, from = 1, to = 10 })
    assert.are.equal('b@1 c@2 n=2', first { byValue = true, prop = 'score', to = 2 })
  end)

  it('across types: numbers, strings, booleans, the rest; ties by path', function()
    states { a = true, b = 'x', c = 7, d = { 1 }, e = null, f = 'x', g = 7 }
    assert.are.equal('c@1 g@2 b@3 f@4 a@5 d@6 e@7 n=7', first { byValue = true })
  end)

  it('windows: n is the number of occupied ranks', function()
    states { a = 1, b = 1, c = 1 }
    assert.are.equal('b@2 c@3 n=2', first { from = 2, to = 9 })
    assert.are.equal('c@3 n=1', first { from = 3, to = 3 })
    assert.are.equal(' n=0', first { from = 4, to = 9 })
    assert.are.equal('a@1 b@2 n=2', first { to = 2 })
  end)

  it('that is invalid raises at the caller or answers -32602', function()
    local raised, answered = 0, 0
    for _, sort in ipairs { { from = 'x' }, { to = 1.5 }, { byValueField = 5 }, 5, { byValue = 7 } } do
      local kind, value
      local ok, message = pcall(function()
        kind, value = support.outcome(function(cbs) other:fetch({ sort = sort }, print, cbs) end)
      end)
      if ok then
        assert.are.equal('error', kind)
        assert.are.equal(-32602, value.code)
        answered = answered + 1
      else
        assert.is_truthy(message:find('sort', 1, true), message)
        assert.is_truthy(message:find('peer_sorted_spec.lua', 1, true), message)
        raised = raised + 1
      end
    end
    assert.are.equal(5, raised + answered)
    support.raises_here(function() other:fetch({ sort = { from = 'x' } }, error) end, 'sort')
    support.raises_here(function() other:fetch({ sort = { byValue = 'score' } }, error) end, 'the name of a type')
  end)

  it('that is odd is a warning, and goes on', function()
    states { a = 1, b = 2 }
    for text, sort in pairs {
      ['sort%.from: less than 1, acts as 1'] = { from = 0, to = 1 },
      ['sort%.descending: expected a boolean, 0 counts as true'] = { to = 1, descending = 0, byPath = true },
    } do
      assert.are.equal(sort.descending and 'b@1 n=1' or 'a@1 n=1', first(sort))
      support.wait_log(text)
    end
    assert.are.equal(' n=0', first { from = 3, to = 2 })
    support.wait_log 'from 3 is greater than to 2'
  end)
end)

describe('A client that merges the changes', function()
  before_each(setup_peers)
  after_each(support.cleanup)

  --- Repeatable numbers, the same on every Lua.
  local function generator(seed)
    local state = seed
    return function(n)
      state = (state * 16807) % 2147483647
      return state % n + 1
    end
  end

  --- Returns the expected window.
  local function expected(values, from, to, descending)
    local list = {}
    for name, value in pairs(values) do list[#list + 1] = { name = name, value = value } end
    table.sort(list, function(a, b)
      if a.value ~= b.value then
        if descending then return a.value > b.value end
        return a.value < b.value
      end
      return a.name < b.name
    end)
    local shown = {}
    for rank = from, math.min(to, #list) do
      shown[#shown + 1] = rank .. list[rank].name .. list[rank].value
    end
    return table.concat(shown, ' ')
  end

  it('sees the right window after every step, for all from and to', function()
    local windows, views = {}, {}
    for from = 1, 5 do
      for to = from, 6 do
        windows[#windows + 1] = { from = from, to = to, descending = (from + to) % 2 == 0 }
      end
    end
    for index, window in ipairs(windows) do
      local view = { n = 0 }
      views[index] = view
      local sort = { byValue = 'number', from = window.from, to = window.to, descending = window.descending }
      other:fetch({ path = { startsWith = prefix }, sort = sort }, function(changes, n)
        local last = 0
        for _, change in ipairs(changes) do
          assert(change.index > last and change.index >= window.from and change.index <= window.to)
          last = change.index
          view[change.index] = change.path:sub(#prefix + 1) .. change.value
        end
        view.n = n
      end)
    end
    support.settle(other)

    local random, values, made = generator(42), {}, {}
    for step = 1, 150 do
      local name, value = ('abcdefg'):sub(random(7)):sub(1, 1), random(4)
      if not made[name] then
        made[name] = owner:state { path = prefix .. name, value = value }
        values[name] = value
      elseif random(3) == 1 then
        made[name]:remove()
        made[name], values[name] = nil, nil
      else
        made[name]:value(value)
        values[name] = value
      end
      support.settle(owner, other)
      for index, window in ipairs(windows) do
        local view, shown = views[index], {}
        for rank = window.from, window.from + view.n - 1 do
          shown[#shown + 1] = rank .. view[rank]
        end
        local wanted = expected(values, window.from, window.to, window.descending)
        assert.are.equal(('step %d, %d..%d: %s'):format(step, window.from, window.to, wanted),
          ('step %d, %d..%d: %s'):format(step, window.from, window.to, table.concat(shown, ' ')))
      end
    end
  end)

  it('the top ten of the seed document', function()
    for i = 1, 15 do
      owner:state { path = prefix .. ('player%02d'):format(i), value = { score = i * 7 % 31 } }
    end
    support.settle(owner)
    local top_ten, players = {}, 0
    other:fetch({
      matches = { prefix .. 'player' },
      sort = { byValue = true, descending = true, prop = 'score', from = 1, to = 10 },
    }, function(changes, n)
      for _, change in ipairs(changes) do
        top_ten[change.index] = { path = change.path, value = change.value }
      end
      players = n
    end)
    support.settle(other)
    assert.are.equal(10, players)
    for i = 2, 10 do
      assert.is_true(top_ten[i - 1].value.score >= top_ten[i].value.score)
    end
  end)
end)
