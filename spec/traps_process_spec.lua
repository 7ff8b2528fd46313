--- Peers in a process of other code: signals, threads, forks, descriptors.

local child = require 'spec.support.child'
local good = require 'spec.support.good'
local jetd = require 'spec.support.jetd'
local socket = require 'socket'
local support = require 'spec.support.fixture'

describe('A peer', function()
  after_each(support.cleanup)

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
        end, max_message = 20000000, log = false }
        p:set('x', value:rep(101))
        p:loop {}
        for _ = 1, 10 do p:set('x', value); p:flush() end
        assert(closed)
      end
      print 'good'
    ]], 0, daemon.port)
    daemon.stop()
  end)

  it('notices a daemon that is killed', function()
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
      local status = child.run(([[
        local peer = require 'jet.peer'
        local p
        p = peer.new { port = tonumber((...)), on_connect = function() p:close() end }
        p:loop()
        io.popen('kill -%s $PPID'):close()
        for _ = 1, 1e9 do end
      ]]):format(signal), jetd.shared().port)
      assert.is_truthy(status ~= 0 and status ~= 124, tostring(status))
    end
  end)

  it('can be loaded twice, by emptying package.loaded', function()
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
          -- Another spec tests the log line of the fork.
          local daemon = jet.daemon.new { port = 0, interface = '127.0.0.1', loop = 'builtin', log = function() end }
          daemon.start()
          local p, told
          local function connected()
            p = jet.new { port = daemon.port(), loop = 'builtin', log = function() end, on_close = function(_, reason)
              told = reason
            end }
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
