--- Peers and the life of Lua states: collected, finalized, closed with the Lua state, made in coroutines
-- that end. Each in a process of its own. The process itself is in `traps_process_spec.lua`.

local good = require 'spec.support.good'
local jetd = require 'spec.support.jetd'
local support = require 'spec.support.fixture'

describe('A peer', function()
  after_each(support.cleanup)

  it('without references stays while it is connected, as the loop refers to it', function()
    good [[
      local peer = require 'jet.peer'
      local got
      do
        local p
        p = peer.new { port = port, on_connect = function()
          collect()
          peer.new { port = port, on_connect = function(q)
            collect()
            q:config({}, { success = function() got = true; q:close(); p:close() end })
          end }
        end }
      end
      local loops = require 'jet.loop'
      collect()
      loops.resolve().run()
      print(got and 'good')
    ]]
  end)

  it('collected while connected closes its connection', function()
    good [[
      local peer = require 'jet.peer'
      local watcher = peer.new { port = port }
      local removed
      watcher:fetch('collected/x', function(_, event)
        if event == 'remove' then removed = true; watcher:close() end
      end, { success = function() require 'jet.loop'.resolve().stop() end })
      -- A loop that forgets: only this table refers to the peer.
      local loop = require 'jet.loop'.resolve()
      loop.run()
      local callbacks = {}
      local forgetful = {
        watch = function(fd, interest, callback)
          callbacks[fd] = callback
          loop.watch(fd, interest, interest and function(...)
            if callbacks[fd] then callbacks[fd](...) end
          end)
        end,
        after = function(seconds, callback) return loop.after(seconds, callback) end,
        run = loop.run, stop = loop.stop,
      }
      local added
      local p = peer.new { port = port, loop = forgetful }
      p:state({ path = 'collected/x', value = 1 }, { success = function() added = true; loop.stop() end })
      loop.run()
      assert(added)
      for fd in pairs(callbacks) do loop.watch(fd, nil) end
      callbacks = {}
      p = nil
      collect()
      watcher:loop {}
      print(removed and 'good')
    ]]
  end)

  it('lives on when the coroutine that made it has ended and is collected', function()
    good [[
      local p, calls
      coroutine.wrap(function()
        local peer = require 'jet.peer'
        calls = 0
        coroutine.wrap(function()
          p = peer.new { port = port, on_connect = function() calls = calls + 1 end }
          p:fetch('coroutine', function() calls = calls + 1 end)
          p:state { path = 'coroutine', value = { 1, 2 }, set = function() calls = calls + 1 end }
        end)()
      end)()
      collect()
      for i = 1, 1000 do coroutine.wrap(function() return { i } end)() end
      collect()
      p:set('coroutine', { 3 }, { success = function() calls = calls + 1; collect(); p:close() end })
      p:loop {}
      print(calls == 4 and 'good' or calls)
    ]]
  end)

  it('may be used, run and closed from a coroutine', function()
    good [[
      local peer = require 'jet.peer'
      local done
      local co = coroutine.create(function()
        local p = peer.new { port = port }
        p:config({}, { success = function() p:close(); done = true end })
        p:loop {}
      end)
      assert(coroutine.resume(co))
      print(done and 'good')
    ]]
  end)

  it('is used by finalizers, while events are handed out and at the end', function()
    good [[
      local peer = require 'jet.peer'
      local p = peer.new { port = port, log = false }
      local finalized = 0
      p:state { path = 'finalizer', value = 0, set = function() end }
      p:fetch('finalizer', function() gc_proxy(function()
        finalized = finalized + 1
        -- Each of these makes an event, and that another finalizer.
        if finalized > 50 then return end
        p:set('finalizer', finalized)
        p:set('finalizer', { finalized }, { success = function() end })
        p:flush()
      end) end)
      local rounds = 0
      local function again()
        rounds = rounds + 1
        collectgarbage 'step'
        if rounds % 20 == 0 then collect() end
        if rounds == 200 then return p:close() end
        p:set('finalizer', { { rounds, ('x'):rep(1000) } }, { success = again })
      end
      again()
      p:loop {}
      assert(finalized > 5, finalized)
      held = gc_proxy(function() p:set('finalizer', 1); p:flush(); p:close() end)
      print 'good'
    ]]
  end)

  it('is closed by finalizers while events are handed out', function()
    good [[
      local peer = require 'jet.peer'
      collectgarbage('setpause', 50)
      collectgarbage('setstepmul', 1000)
      for round = 1, 30 do
        local p, closed = nil, false
        p = peer.new { port = port, log = false, on_close = function() closed = true end }
        p:state { path = 'finalizer' .. round, value = 0, set = function() end }
        p:fetch('finalizer' .. round, function() gc_proxy(function() p:close() end) end)
        local function again()
          if closed then return end
          p:set('finalizer' .. round, { { ('x'):rep(100) } }, { success = again })
        end
        again()
        p:loop {}
      end
      print 'good'
    ]]
  end)

  -- A finalizer runs wherever memory is allocated. A hook that
  -- counts instructions comes to every one in turn.
  it('may be closed at any instruction', function()
    good [[
      local peer = require 'jet.peer'
      if jit then jit.off() end
      local at, hooked = 0, nil
      repeat
        at, hooked = at + 3, false
        local path, closes, p = 'at ' .. at, 0, nil
        p = peer.new { port = port, log = false, on_close = function() closes = closes + 1 end }
        p:state { path = path, value = 0, set = function() end }
        p:fetch(path, function(_, event) if event == 'change' then p:close() end end)
        p:set(path, 1, { success = function() end, error = function() end })
        debug.sethook(function()
          debug.sethook()
          hooked = true
          p:close()
        end, '', at)
        p:loop {}
        debug.sethook()
        assert(closes == 1, closes .. ' closes at ' .. at)
      until not hooked
      assert(at > 500, at)
      print 'good'
    ]]
  end)

  for _, how in ipairs { 'os.exit(3, true)', 'os.exit(3)', 'error("at the end")', 'return' } do
    it('is alive when the process ends by ' .. how, function()
      local status = how:find 'exit' and 3 or how:find 'error' and 1 or 0
      local code = [[
        local peer = require 'jet.peer'
        local async = peer.new { port = port }
        -- A process that has just ended may still have its paths.
        async:state { path = 'exit/PATH', value = 1, set = function() end }
        async:fetch('exit/PATH', function() end)
        local blocking = peer.new { sync = true, port = port }
        connecting = peer.new { port = port }
        async:config({}, { success = function() end })
        async:config({}, { success = function()
          async:set('exit/PATH', 1, { success = print })
          io.write 'good'
          io.stdout:flush()
          io.stderr:close()
          HOW
        end })
        async:loop {}
      ]]
      code = code:gsub('PATH', (how:gsub('%W', '')))
      if not how:find 'exit' then
        code = code:gsub('HOW', 'async:close()') .. how
      else
        code = code:gsub('HOW', how)
      end
      good(code, status)
    end)
  end

  it('flushes what was sent when the process ends normally', function()
    local watcher, seen = support.connected(), nil
    support.result(function(cbs)
      watcher:state({ path = 'exit/flush', value = 0, set = function(v) seen = v end }, cbs)
    end)
    good [[
      local peer = require 'jet.peer'
      local p
      p = peer.new { port = port, on_connect = function()
        p:set('exit/flush', 1)
        p:set('exit/flush', 2)
        require 'jet.loop'.resolve().stop()
      end }
      p:loop {}
      p:set('exit/flush', 3)
      print 'good'
    ]]
    support.wait(function() return seen == 3 end, 'the last set')
  end)

  for _, how in ipairs { 'os.exit(0, true)', 'os.exit(0)', 'return' } do
    it('and a daemon of the same program are alive when it ends by ' .. how, function()
      good([[
        local jet = require 'jet'
        local daemon = jet.daemon.new { port = port, interface = '127.0.0.1' }
        daemon:start()
        local blocking = jet.new { sync = true, port = port }
        local p
        p = jet.new { port = port, on_connect = function()
          p:state({ path = 'x', value = 1, set = function() end }, { success = function()
            p:fetch('x', function() require 'jet.loop'.resolve().stop() end)
          end })
        end }
        p:loop {}
        p:set('x', 2, { success = print })
        io.write 'good'
        io.stdout:flush()
      ]] .. how, 0, jetd.free_port())
    end)
  end
end)
