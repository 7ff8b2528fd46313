--- A hundred thousand states and a hundred thousand open requests in one process, on every Lua.

local support = require 'spec.support.fixture'

local wait = support.wait

local N = 100000

describe('A hundred thousand', function()
  after_each(support.cleanup)

  it('states with set callbacks, each of which works', function()
    local owner, other = support.pair()
    local prefix = support.prefix()
    local added, called = 0, 0
    local states = {}
    local callbacks = { success = function() added = added + 1 end, error = error }
    owner:batch(function()
      for i = 1, N do
        states[i] = owner:state({
          path = prefix .. i,
          value = i,
          set = function(v)
            called = called + v
          end,
        }, callbacks)
      end
    end)
    wait(function() return added == N end, 'the adds', 60)
    local set = 0
    local function answered() set = set + 1 end
    for _, i in ipairs { 1, 2, 50000, N - 1, N } do
      other:set(prefix .. i, i, { success = answered, error = error })
    end
    wait(function() return set == 5 end, 'the sets')
    assert.are.equal(1 + 2 + 50000 + N - 1 + N, called)
    assert.are.equal(N, states[N]:value())
    -- All of them, at once.
    called, set = 0, 0
    other:batch(function()
      for i = 1, N do other:set(prefix .. i, 1, { success = answered, error = error }) end
    end)
    wait(function() return set == N end, 'all sets', 60)
    assert.are.equal(N, called)
  end)

  it('requests outstanding at once, answered in any order', function()
    local owner, other = support.pair()
    local path = support.prefix() .. 'm'
    local replies = {}
    support.result(function(cbs)
      owner:method({ path = path, call_async = function(reply, i) replies[#replies + 1] = { reply, i } end }, cbs)
    end)
    local answered, sum = 0, 0
    other:batch(function()
      for i = 1, N do
        other:call(path, { i }, { timeout = 300, success = function(result)
          assert(result == i)
          answered, sum = answered + 1, sum + result
        end, error = error })
      end
    end)
    wait(function() return #replies == N end, 'the requests', 60)
    assert.are.equal(0, answered)
    owner:batch(function()
      for index = N, 1, -1 do replies[index][1] { result = replies[index][2] } end
    end)
    wait(function() return answered == N end, 'the answers', 60)
    assert.are.equal(N * (N + 1) / 2, sum)
  end)

  it('open requests end at once, in order, when the connection does', function()
    local owner, other = support.pair()
    local path = support.prefix() .. 'm'
    support.result(function(cbs) owner:method({ path = path, call_async = function() end }, cbs) end)
    local ended, last = 0, 0
    other:batch(function()
      for i = 1, N do
        other:call(path, { i }, { timeout = 300, error = function(err)
          assert(err.code == -32000 and i == last + 1)
          ended, last = ended + 1, i
        end })
      end
    end)
    other:close()
    wait(function() return ended == N end, 'the errors')
  end)

  it('fetches of one state, each of which gets its changes', function()
    local owner, other = support.pair()
    local prefix = support.prefix()
    local heard, fetchers = 0, 10000
    local state = owner:state { path = prefix .. 's', value = 1 }
    support.settle(owner)
    other:batch(function()
      for _ = 1, fetchers do
        other:fetch({ path = { equals = prefix .. 's' } }, function() heard = heard + 1 end)
      end
    end)
    wait(function() return heard == fetchers end, 'the adds', 30)
    state:value(2)
    wait(function() return heard == 2 * fetchers end, 'the changes', 30)
  end)
end)

describe('Limits', function()
  after_each(support.cleanup)

  it('max_requests raises at the caller, at the limit and not before', function()
    local p = support.connected { max_requests = 10 }
    local answered = 0
    local callbacks = { success = function() answered = answered + 1 end }
    for _ = 1, 10 do p:config({}, callbacks) end
    support.raises_here(function() p:config({}, callbacks) end, '10 requests')
    p:set('nobody', 1)
    wait(function() return answered == 10 end, 'the answers')
    p:config({}, callbacks)
    wait(function() return answered == 11 end, 'one more')
  end)

  it('max_unsent raises at the caller; what was sent arrives', function()
    local jetd = require 'spec.support.jetd'
    -- Not connected yet: everything waits.
    local is_connected = false
    local p = support.peer {
      port = jetd.shared().port,
      max_unsent = 10000,
      on_connect = function() is_connected = true end,
    }
    local value, raised = ('x'):rep(1000), nil
    for _ = 1, 20 do
      local ok, message = pcall(p.set, p, 'nobody', value)
      if not ok then
        raised = message
        break
      end
    end
    assert.is_truthy(raised and raised:find('10000 bytes', 1, true))
    wait(function() return is_connected end, 'the connection')
    support.settle(p)
    p:set('nobody', value)
  end)
end)
