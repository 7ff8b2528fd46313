--- Callbacks that do unusual things: from within every kind of callback, close the peer,
-- unfetch, add, remove, raise, run the loop, collect garbage, use a blocking peer.

local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait = support.wait

-- Each kind of callback: a function that has `action` called from within it. It gets two
-- connected peers, a free path, and the action; `config` is for kinds that need it when the peer is made.
local kinds = {
  success = function(p, _, _, action) p:config({}, { success = action }) end,
  error = function(p, _, path, action) p:set(path, 1, { error = action }) end,
  fetch = function(p, _, path, action)
    p:state { path = path, value = 1 }
    p:fetch({ path = { equals = path } }, action)
  end,
  ['sorted fetch'] = function(p, _, path, action)
    p:fetch({ path = { equals = path }, sort = {} }, action)
  end,
  set = function(p, q, path, action)
    p:state({ path = path, value = 1, set = action }, { success = function() q:set(path, 2) end })
  end,
  set_async = function(p, q, path, action)
    p:state({ path = path, value = 1, set_async = function(reply)
      local ok, raised = pcall(action)
      reply { result = true }
      assert(ok, raised)
    end }, { success = function() q:set(path, 2) end })
  end,
  call = function(p, q, path, action)
    p:method({ path = path, call = action }, { success = function() q:call(path) end })
  end,
  call_async = function(p, q, path, action)
    p:method({ path = path, call_async = function(reply)
      local ok, raised = pcall(action)
      reply { result = true }
      assert(ok, raised)
    end }, { success = function() q:call(path) end })
  end,
  dispatch = function(p, q, path, action)
    p:add({ path = path }, function(_, _, reply)
      local ok, raised = pcall(action)
      reply { result = true }
      assert(ok, raised)
    end, { success = function() q:call(path) end })
  end,
  timer = function(_, _, _, action) support.loop.after(0, action) end,
  batch = function(p, _, _, action)
    p:config({}, { success = function() p:batch(action) end })
  end,
}

local function names(list)
  local sorted = {}
  for name in pairs(list) do sorted[#sorted + 1] = name end
  table.sort(sorted)
  return sorted
end

--- Runs `deed(p, q, path)` once from within that kind of callback, then shows that others are well.
local function within(kind, config, deed)
  local q = support.connected()
  local path = support.prefix() .. 'x'
  local done = 0
  local p
  if kind == 'on_connect' or kind == 'on_close' then
    config[kind] = function()
      done = done + 1
      if done == 1 then deed(p, q, path) end
    end
    p = support.peer(config)
    if kind == 'on_close' then p:close() end
  else
    p = support.connected(config)
    kinds[kind](p, q, path, function()
      done = done + 1
      if done == 1 then deed(p, q, path) end
    end)
  end
  wait(function() return done > 0 end, 'the callback')
  support.idle(0)
  support.settle(q)
  return p, q, path
end

local all = names(kinds)
all[#all + 1] = 'on_connect'
all[#all + 1] = 'on_close'

--- Checks that the peer still works.
local function works(p)
  support.result(function(cbs) p:config({}, cbs) end)
end

for _, kind in ipairs(all) do
  describe('Within ' .. kind, function()
    after_each(support.cleanup)

    it('the peer may be closed', function()
      local closed = 0
      local config = { on_close = function() closed = closed + 1 end }
      within(kind, config, function(p)
        p:close()
        p:close()
        p:set('x', 1, { error = function() end })
      end)
      if kind ~= 'on_close' then
        wait(function() return closed > 0 end, 'on_close')
        assert.are.equal(1, closed)
      end
    end)

    it('an error may be raised; it is reported', function()
      local log = {}
      within(kind, { log = function(text) log[#log + 1] = text end }, function()
        if kind ~= 'timer' then error 'raised on purpose' end
      end)
      if kind ~= 'timer' then
        assert.is_truthy(table.concat(log):find('raised on purpose', 1, true))
      end
    end)

    it('states may be added, changed and removed', function()
      local added = 0
      within(kind, {}, function(p, _, path)
        for i = 1, 20 do
          local state = p:state({ path = path .. i, value = i }, { success = function() added = added + 1 end,
            error = function() added = added + 1 end })
          if kind ~= 'on_close' then
            state:value(i + 1)
          end
        end
      end)
      wait(function() return added == 20 end, 'the answers')
    end)

    it('the loop may be run', function()
      local ran = false
      local p = within(kind, {}, function(_, q)
        -- A request of another peer is answered meanwhile, in a loop inside of the loop.
        local answered = false
        q:config({}, { success = function() answered = true end })
        wait(function() return answered end, 'the nested answer')
        ran = true
      end)
      assert.is_true(ran)
      if kind ~= 'on_close' then works(p) end
    end)

    it('a blocking peer may be used', function()
      local got
      within(kind, {}, function()
        local blocking = peer.new { sync = true, port = jetd.shared().port }
        got = blocking:config {}
        blocking:close()
      end)
      assert.is_true(got)
    end)

    it('garbage may be collected and peers be made', function()
      local p = within(kind, {}, function()
        collectgarbage()
        support.peer()
        collectgarbage()
      end)
      if kind ~= 'on_close' then works(p) end
    end)
  end)
end

describe('A fetch callback', function()
  after_each(support.cleanup)

  it('may unfetch itself with many events under way', function()
    local p, q = support.pair()
    local prefix = support.prefix()
    q:batch(function()
      for i = 1, 1000 do q:state { path = prefix .. i, value = i } end
    end)
    support.settle(q)
    local seen = 0
    p:fetch({ path = { startsWith = prefix } }, function(_, _, _, fetcher)
      seen = seen + 1
      fetcher:unfetch()
    end)
    support.settle(p)
    assert.are.equal(1, seen)
  end)

  it('may close its peer with many events under way: no event comes after', function()
    local p, q = support.pair()
    local prefix = support.prefix()
    q:batch(function()
      for i = 1, 1000 do q:state { path = prefix .. i, value = i } end
    end)
    support.settle(q)
    local seen = 0
    p:fetch({ path = { startsWith = prefix } }, function()
      seen = seen + 1
      if seen == 500 then p:close() end
    end)
    wait(function() return seen == 500 end, 'half of the events')
    support.idle(0.01)
    assert.are.equal(500, seen)
  end)

  it('that runs the loop gets the rest of the events inside, in order, once', function()
    local p, q = support.pair()
    local prefix = support.prefix()
    q:batch(function()
      for i = 1, 100 do q:state { path = ('%s%03d'):format(prefix, i), value = i } end
    end)
    support.settle(q)
    local seen, nested = {}, false
    p:fetch({ path = { startsWith = prefix } }, function(_, _, value)
      seen[#seen + 1] = value
      if not nested then
        nested = true
        local answered = false
        p:config({}, { success = function() answered = true end })
        wait(function() return answered end, 'the nested answer')
      end
    end)
    wait(function() return #seen >= 100 end, 'all events')
    support.settle(p)
    table.sort(seen)
    assert.are.equal(100, #seen)
    for i = 1, 100 do assert.are.equal(i, seen[i]) end
  end)

  it('may run peer:loop(), which returns when the peer is closed inside', function()
    local p = support.connected()
    local inside = false
    p:config({}, { success = function()
      p:config({}, { success = function()
        inside = true
        p:close()
      end })
      p:loop {}
    end })
    p:loop {}
    assert.is_true(inside)
  end)
end)

describe('A log function', function()
  after_each(support.cleanup)

  --- Returns a connected peer whose log does `deed(p)` at its first call, which a raising callback causes.
  local function logging(deed)
    local calls, p = 0, nil
    p = support.connected { log = function()
      calls = calls + 1
      if calls == 1 then deed(p) end
    end }
    p:config({}, { success = function() error 'for the log' end })
    wait(function() return calls > 0 end, 'the log')
    return p
  end

  it('may close its peer', function()
    local p = logging(function(p) p:close() end)
    support.idle(0)
    p:set('x', 1)
  end)

  it('may run the loop', function()
    local q, answered = support.connected(), false
    local p = logging(function()
      q:config({}, { success = function() answered = true end })
      wait(function() return answered end, 'the nested answer')
    end)
    works(p)
  end)

  it('may use its peer', function()
    local added = false
    local p = logging(function(p)
      p:state({ path = support.prefix() .. 'x', value = 1 }, { success = function() added = true end })
    end)
    wait(function() return added end, 'the answer')
    works(p)
  end)
end)

describe('on_no_dispatcher', function()
  after_each(support.cleanup)

  it('may close its peer with many messages under way: none comes after', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      local frames = {}
      for i = 1, 100 do frames[i] = wire.frame { id = i, method = 'nobody', params = {} } end
      connection:send_raw(table.concat(frames))
      connection:accept_all()
    end)
    local p, seen = support.peer { port = server.port }, 0
    p:on_no_dispatcher(function()
      seen = seen + 1
      p:close()
    end)
    wait(function() return seen > 0 end, 'the first message')
    support.idle(0.01)
    assert.are.equal(1, seen)
  end)
end)
