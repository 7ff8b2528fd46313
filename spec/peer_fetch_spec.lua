--- Unsorted fetches: the callback, the fetcher's ref, and what may come on the wire. The rules are in `peer_rules_spec.lua`.

local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, null = support.wait, support.recorder, support.null
local result, refusal = support.result, support.refusal
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

  it('that raises is reported and gets the next event', function()
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

  it('gets every change, also of equal values', function()
    local events = fetch { path = { startsWith = prefix } }
    local state = owner:state { path = prefix .. 's', value = 1 }
    state:value(1)
    state:value(1)
    wait(count(events, 3), 'add and both changes')
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

  it('is not fetching after a refused fetch, and it can be refused again', function()
    local fetcher
    refusal(function(cbs) fetcher = other:fetch({ path = { contains = 5 } }, error, cbs) end)
    assert.is_false(fetcher:is_fetching())
    refusal(function(cbs) fetcher:fetch(cbs) end)
    assert.is_false(fetcher:is_fetching())
    owner:state { path = prefix .. 's', value = 1 }
    support.settle(owner, other)
  end)

  for _, how in ipairs { 'with', 'without' } do
    it('no events after unfetch, ' .. how .. ' callbacks', function()
      local server = wire.daemon(function(connection)
        connection:greet()
        local fetched = connection:expect 'fetch'
        connection:reply(fetched, true)
        local function notify(event)
          connection:send { method = fetched.params.id, params = { event = event, path = 'a', value = 1 } }
        end
        notify 'add'
        local ended = connection:expect 'unfetch'
        notify 'change'
        connection:reply(ended, true)
        notify 'remove'
        connection:reply(connection:expect 'config', true)
      end)
      local p = support.connected { port = server.port }
      local events, answered = recorder(), recorder()
      local fetcher = p:fetch('a', events)
      wait(count(events, 1), 'the add')
      fetcher:unfetch(how == 'with' and { success = answered, error = error } or nil)
      result(function(cbs) p:config({}, cbs) end)
      assert.are.equal(1, #events)
      assert.are.equal(how == 'with' and 1 or 0, #answered)
      -- The late notifications are no unhandled messages.
      assert.are.same({}, support.take_log())
    end)
  end

  it('unfetch twice is a success', function()
    local _, fetcher = fetch { path = { startsWith = prefix } }
    fetcher:unfetch()
    fetcher:unfetch()
    for _ = 1, 2 do
      assert.is_true(result(function(cbs) fetcher:unfetch(cbs) end))
    end
    assert.is_false(fetcher:is_fetching())
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

  it('fetch() while fetching notifies all elements again and each change once', function()
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
    support.settle(owner)
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
    -- Notifications that were on their way to the ended fetcher are dropped.
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

  it('may come before the response to the fetch: success is called first', function()
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
