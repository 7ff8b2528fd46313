--- Peers and the process they live in: collected, finalized, closed with the Lua state, made in
-- coroutines that end. Each in a process of its own, which has to end well.

local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'
local socket = require 'socket'
local support = require 'spec.support.fixture'

-- What every program starts with.
local HEAD = [[
  local port = tonumber((...))
  local unpack = table.unpack or unpack
  local function gc_proxy(f)
    if newproxy then
      local proxy = newproxy(true)
      getmetatable(proxy).__gc = f
      return proxy
    end
    return setmetatable({}, { __gc = f })
  end
  -- Collects without end what can be collected.
  local function collect() for _ = 1, 3 do collectgarbage() end end
]]

--- Runs a program, which has to print 'good' and to end with that status. Only one that raises
-- prints more: what it raised.
local function good(code, status, port)
  local got, output = child.run(HEAD .. code, port or jetd.shared().port)
  if status == 1 then
    output = output:gsub('^good.*at the end.*', 'good')
  end
  assert.are.equal((status or 0) .. ': good', got .. ': ' .. output:gsub('%s+$', ''))
end

describe('A peer', function()
  after_each(support.cleanup)

  it('that nobody holds stays while it is connected, for the loop has it', function()
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
      -- A loop that forgets: the peer is held by nobody but this table.
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
      local p = peer.new { port = port }
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
        p = peer.new { port = port, on_close = function() closed = true end }
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

  -- A finalizer runs where memory is asked for, so at many places nobody thinks of. A hook that
  -- counts instructions comes to every one in turn.
  it('may be closed at any instruction', function()
    good [[
      local peer = require 'jet.peer'
      if jit then jit.off() end
      local at, hooked = 0, nil
      repeat
        at, hooked = at + 3, false
        local path, closes, p = 'at ' .. at, 0, nil
        p = peer.new { port = port, on_close = function() closes = closes + 1 end }
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

  it('does not die of SIGPIPE, which the host has not ignored', function()
    local daemon = jetd.start()
    good([[
      local peer = require 'jet.peer'
      local value = ('x'):rep(100000)
      for round = 1, 5 do
        local p, closed = nil, false
        p = peer.new { port = port, on_close = function() closed = true end, on_connect = function()
          -- The daemon ends the connection on the first of these; the rest meets a dead socket.
          for _ = 1, 50 do p:set('x', value); p:flush() end
        end, max_message = 20000000 }
        p:set('x', value:rep(101))
        p:loop {}
        for _ = 1, 10 do p:set('x', value); p:flush() end
        assert(closed)
      end
      print 'good'
    ]], 0, daemon.port)
    daemon.stop()
  end)

  it('hears of a daemon that is killed', function()
    local daemon = jetd.start()
    local reasons = {}
    local p = support.connected { port = daemon.port, on_close = function(_, reason) reasons[#reasons + 1] = reason end }
    local errors = 0
    p:method({ path = 'm', call_async = function() end })
    p:call('m', {}, { error = function() errors = errors + 1 end, timeout = 100 })
    support.settle(p)
    daemon.signal 'KILL'
    support.wait(function() return #reasons > 0 end, 'on_close')
    assert.are.equal(1, errors)
    assert.are.equal(1, #reasons)
    daemon.stop()
  end)

  it('answers SIGINT and SIGQUIT by returning from loop, and puts handlers back', function()
    for _, signal in ipairs { 'INT', 'QUIT' } do
      good(([[
        local peer = require 'jet.peer'
        local p
        p = peer.new { port = port, on_connect = function()
          io.popen('kill -%s $PPID'):close()
        end }
        p:loop()
        assert(p:info(), 'still connected')
        print 'good'
      ]]):format(signal))
      -- Afterwards, the signal does what it did before.
      local status = child.run(HEAD .. ([[
        local peer = require 'jet.peer'
        local p
        p = peer.new { port = port, on_connect = function() p:close() end }
        p:loop()
        io.popen('kill -%s $PPID'):close()
        for _ = 1, 1e9 do end
      ]]):format(signal), jetd.shared().port)
      assert.is_truthy(status ~= 0 and status ~= 124, tostring(status))
    end
  end)

  it('is loaded twice, by package.loaded being emptied, without harm', function()
    good [[
      local first = require 'jet.peer'
      for name in pairs(package.loaded) do
        if name:find '^jet' then package.loaded[name] = nil end
      end
      collect()
      local second = require 'jet.peer'
      local calls = 0
      for _, peer in ipairs { first, second } do
        local p
        p = peer.new { port = port }
        p:set('none', peer.array {}, { error = function() calls = calls + 1; p:close() end })
        p:loop {}
      end
      print(calls == 2 and 'good')
    ]]
  end)

  it('lives in several Lua states on several threads at once', function()
    if not pcall(require, 'luv') then
      return pending 'library luv is missing for this Lua'
    end
    good [[
      local uv = require 'luv'
      -- Goes to the threads as bytecode: nothing of this chunk is known inside. What it raises is printed.
      local function work(given)
        local jet = require 'jet'
        local sum = 0
        for round = 1, 20 do
          local p
          p = jet.new { port = given, loop = 'builtin' }
          local path = tostring(p) .. round
          p:state({ path = path, value = 0, set = function(value) sum = sum + value end }, {
            success = function()
              p:set(path, round, { success = function() p:close() end })
            end,
          })
          p:loop(false)
          collectgarbage()
        end
        assert(sum == 210, sum)
        assert(jet.new({ sync = true, port = given }):config {})
      end
      local threads = {}
      for i = 1, 4 do threads[i] = uv.new_thread(work, port) end
      work(port)
      for _, thread in ipairs(threads) do thread:join() end
      print 'good'
    ]]
  end)

  -- Only LuaJIT can fork without another library.
  if rawget(_G, 'jit') then
    for _, how in ipairs { 'return', 'os.exit(0, true)', 'p:close()', 'p:set("x", 1); p:loop(false)', 'daemon.stop()' } do
      it('and a daemon are left alone by a fork that ends with ' .. how, function()
        good((([[
          local ffi = require 'ffi'
          ffi.cdef 'int fork(void); int waitpid(int, int *, int);'
          local jet = require 'jet'
          local loop = require 'jet.loop'.resolve('builtin')
          local daemon = jet.daemon.new { port = 0, interface = '127.0.0.1', loop = 'builtin' }
          daemon.start()
          local p, told
          local function connected()
            p = jet.new { port = daemon.port(), loop = 'builtin', on_close = function(_, reason) told = reason end }
            p:state({ path = 'x', value = 1, set = function() end }, { success = loop.stop })
          end
          connected()
          loop.run()
          p:state { path = 'not sent yet', value = 2 }
          local child = ffi.C.fork()
          if child == 0 then
            do HOW end
            return
          end
          local status = ffi.new 'int[1]'
          assert(ffi.C.waitpid(child, status, 0) == child)
          assert(status[0] == 0, 'the fork ended with ' .. status[0])
          local left = 2
          for _, path in ipairs { 'x', 'not sent yet' } do
            p:fetch({ path = { equals = path } }, function()
              left = left - 1
              if left == 0 then p:close() end
            end)
          end
          p:loop()
          print(left == 0 and told == 'closed' and 'good' or told)
        ]]):gsub('HOW', how)))
      end)
    end
  end

  it('a thousand of them can be made and closed', function()
    local up, closed = 0, 0
    for _ = 1, 200 do
      local peers = {}
      for i = 1, 5 do
        peers[i] = support.peer {
          on_connect = function() up = up + 1 end,
          on_close = function() closed = closed + 1 end,
        }
      end
      support.wait(function() return up % 5 == 0 and up > 0 end, 'the connections')
      for i = 1, 5 do peers[i]:close() end
    end
    support.wait(function() return closed == 1000 end, 'the ends')
    -- All descriptors are given back: sockets get small numbers again.
    collectgarbage()
    local probe = assert(socket.bind('127.0.0.1', 0))
    assert.is_true(probe:getfd() < 60, tostring(probe:getfd()))
    probe:close()
  end)
end)
