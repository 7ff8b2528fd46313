--- Event loops and the process around them: callbacks that raise, garbage collection, Lua states
-- that are closed, coroutines, numbers that are no descriptors. The loops' promises to a peer are
-- in loop_adapters_spec.lua.

local adapters = require 'spec.support.adapters'

-- Closes the state at the end of the program where Lua has a way to do so.
local CLOSE = ' if _VERSION ~= "Lua 5.1" then os.exit(0, true) end'

--- Defines the tests of a loop, by its name.
local function promises(name)
  it('goes on after a timer callback that raised', function()
    local output = adapters.run(name, [[
      local later = 0
      adapter.after(0, function() error 'oops' end)
      adapter.after(0.02, function() later = later + 1 end)
      local ok, message = pcall(adapter.run)
      if not ok then
        print(message)
        adapter.run()
      end
      print('later', later)
    ]])
    assert.matches('oops', output, 1, true)
    assert.matches('later\t1\n$', output)
  end)

  it('still watches a descriptor whose callback raised', function()
    local output = adapters.run(name, [[
      local a, b = pair()
      b:send 'x'
      local calls = 0
      adapter.watch(a:getfd(), 'r', function()
        calls = calls + 1
        if calls < 3 then error('oops ' .. calls) end
        adapter.watch(a:getfd(), nil)
      end)
      for _ = 1, 10 do
        if calls < 3 then print(select(2, pcall(adapter.run))) end
      end
      local over = false
      adapter.after(0, function() over = true end)
      adapter.run()
      print('calls', calls, over)
    ]])
    assert.matches('oops 1.*oops 2', output)
    assert.matches('calls\t3\ttrue\n$', output)
  end)

  it('is in order after an error left two nested runs', function()
    local output = adapters.run(name, [[
      local ok = true
      adapter.after(0, function()
        adapter.after(0, function() error 'oops' end)
        adapter.run()
      end)
      ok = pcall(adapter.run)
      -- lua-ev prints what a callback raised, and goes on.
      assert(ok == (name == 'ev'))
      -- A stop now ends this run, not one that is gone.
      local beyond = false
      adapter.after(0, adapter.stop)
      local cancel = adapter.after(5, function() beyond = true end)
      adapter.run()
      cancel()
      print(beyond and 'bad' or 'good')
    ]])
    assert.matches('good\n$', output)
  end)

  it('keeps what is watched and due alive, and nothing else', function()
    assert.are.equal('fired\t20\nfreed\ttrue\n', adapters.run(name, [[
      local a, b = pair()
      local fired, calls = 0, 0
      local weak = setmetatable({}, { __mode = 'v' })
      do
        local callback = function()
          collect()
          a:receive(1)
          calls = calls + 1
          if calls == 10 then
            adapter.watch(a:getfd(), nil)
          else
            b:send 'x'
          end
        end
        weak[1] = callback
        adapter.watch(a:getfd(), 'r', callback)
        b:send 'x'
      end
      for index = 1, 10 do
        adapter.after(index / 500, function()
          collect()
          fired = fired + 1
        end)
      end
      collect()
      adapter.run()
      print('fired', fired + calls)
      -- Cancelled timers and descriptors are released. Some libraries do so a turn later.
      for _ = 1, 3 do
        local c, d = pair()
        adapter.watch(c:getfd(), 'w', function() adapter.watch(c:getfd(), nil) end)
        adapter.run()
        adapter.watch(a:getfd(), 'w', function() adapter.watch(a:getfd(), nil) end)
        adapter.run()
        adapter.after(0, function() end)
        adapter.run()
        d:close()
      end
      collect()
      print('freed', weak[1] == nil)
    ]]))
  end)

  it('may be closed with its Lua state while everything is watched', function()
    assert.are.equal('', adapters.run(name, [[
      local a, b = pair()
      adapter.watch(a:getfd(), 'rw', function() end)
      adapter.watch(b:getfd(), 'r', function() end)
      for index = 1, 100 do
        local cancel = adapter.after(100 + index, function() end)
        if index % 2 == 0 then cancel() end
      end
      adapter.after(0, adapter.stop)
      adapter.run()
      KEPT = { a, b }
    ]] .. CLOSE))
  end)

  it('may be closed with its Lua state from inside of a nested run', function()
    assert.are.equal('inside\n', adapters.run(name, [[
      adapter.after(0, function()
        adapter.after(0, function()
          print 'inside'
          io.stdout:flush()
          os.exit(0, name == 'builtin' or name == 'ev')
        end)
        adapter.run()
      end)
      adapter.run()
    ]]))
  end)

  it('outlives the coroutines it was used in', function()
    assert.are.equal('3\n', adapters.run(name, [[
      local a, b = pair()
      local count = 0
      coroutine.wrap(function()
        adapter.after(0.01, function() count = count + 1 end)
        adapter.watch(a:getfd(), 'r', function()
          count = count + 1
          adapter.watch(a:getfd(), nil)
        end)
      end)()
      collect()
      for _ = 1, 100 do coroutine.wrap(function() collectgarbage 'step' end)() end
      b:send 'x'
      adapter.run()
      -- Plain Lua 5.1 and cqueues resume nothing from inside of another coroutine's C call.
      if name ~= 'cqueues' then
        coroutine.wrap(function()
          adapter.after(0, function() count = count + 1 end)
          adapter.run()
        end)()
      else
        adapter.after(0, function() count = count + 1 end)
        adapter.run()
      end
      print(count)
    ]]))
  end)

  it('waits as long as a timer says, even if the program was busy before', function()
    assert.are.equal('good\n', adapters.run(name, [[
      adapter.after(0, function() end)
      adapter.run()
      local busy = socket.gettime() + 0.15
      while socket.gettime() < busy do end
      local from = socket.gettime()
      adapter.after(0.1, adapter.stop)
      adapter.run()
      local waited = socket.gettime() - from
      print(waited > 0.095 and waited < 5 and 'good' or waited)
    ]]))
  end)

  it('uses no processor time while it waits', function()
    assert.are.equal('good\n', adapters.run(name, [[
      local a, b = pair()
      adapter.watch(a:getfd(), 'r', function() end)
      adapter.after(0.4, adapter.stop)
      local from = os.clock()
      adapter.run()
      local used = os.clock() - from
      print(used < 0.2 and b and 'good' or used)
    ]]))
  end)

  it('serves many descriptors, each changing its interest', function()
    assert.are.equal('200\t200\n', adapters.run(name, [[
      local COUNT = 200
      local kept, wrote, read = {}, 0, 0
      for index = 1, COUNT do
        local a, b = pair()
        kept[index] = { a, b }
        local fd = a:getfd()
        adapter.watch(fd, 'w', function(_, writable)
          assert(writable)
          wrote = wrote + 1
          a:send 'x'
          adapter.watch(fd, nil)
        end)
        adapter.watch(b:getfd(), 'r', function(readable)
          assert(readable and b:receive(1) == 'x')
          read = read + 1
          adapter.watch(b:getfd(), nil)
        end)
      end
      adapter.run()
      print(wrote, read)
    ]]))
  end)

  it('takes a descriptor number that is another file by now', function()
    assert.are.equal('20\n', adapters.run(name, [[
      local count, last = 0, nil
      for _ = 1, 20 do
        local a, b = pair()
        local fd = a:getfd()
        b:send 'x'
        adapter.watch(fd, 'r', function()
          assert(a:receive(1) == 'x')
          count = count + 1
          adapter.watch(fd, nil)
          a:close()
        end)
        adapter.run()
        b:close()
      end
      print(count)
    ]]))
  end)
end

for _, candidate in ipairs(adapters.ALL) do
  describe('a program on ' .. candidate.name, function()
    if adapters.missing(candidate) then
      pending(adapters.missing(candidate))
    else
      promises(candidate.name)
    end
  end)
end

describe('the built-in loop', function()
  it('drops a descriptor that was closed while it was watched, and says so', function()
    local output = adapters.run('builtin', [[
      local a, b = pair()
      adapter.watch(a:getfd(), 'r', function() print 'called' end)
      local fd = a:getfd()
      a:close()
      adapter.run()
      print('over', adapter.count(), b)
      io.stderr:write(fd)
    ]])
    assert.matches('jet: descriptor %d+ was closed while it was watched', output)
    assert.matches('over\t0', output)
    assert.not_matches('called', output, 1, true)
  end)

  it('refuses a number that is not a descriptor at the line of the caller', function()
    local output = adapters.run('builtin', [[
      local a = pair()
      a:close()
      print(select(2, pcall(function() adapter.watch(math.floor(a:getfd()), 'r', print) end)))
    ]])
    assert.matches(':%d+: jet.loop: %-1%.?0? is not a descriptor', output)
  end)
end)
