--- lua-ev's API on the built-in loop.

local core = require 'jet.core'
local daemon = require 'jet.daemon'
local ev = require 'jet.ev'
local jet = require 'jet'
local loops = require 'jet.loop'
local socket = require 'socket'

--- Returns the number of this process.
local function process_id()
  local stat = assert(io.open('/proc/self/stat'))
  local id = stat:read('*n')
  stat:close()
  return math.floor(id)
end

--- Runs a loop, but not for ever.
local function run(loop)
  local expired = false
  local guard = ev.Timer.new(function()
    expired = true
    loop:unloop()
  end, 10)
  guard:start(loop, true)
  loop:loop()
  guard:stop(loop)
  assert.is_false(expired, 'the loop did not end by itself')
end

describe('jet.ev', function()
  local loop

  before_each(function()
    loop = ev.Loop.new()
  end)

  it('has a default loop and makes others', function()
    assert.is_true(ev.Loop.default:is_default())
    assert.is_false(loop:is_default())
    assert.is_true(math.abs(loop:now() - os.time()) < 2)
  end)

  it('has loops and watchers that are userdata, as in lua-ev', function()
    local objects = {
      loop,
      ev.Loop.default,
      ev.Timer.new(print, 1),
      ev.IO.new(print, 0, ev.READ),
      ev.Signal.new(print, ev.SIGUSR1),
      ev.Idle.new(print),
      ev.Async.new(print),
    }
    for _, object in ipairs(objects) do
      assert.equal('userdata', type(object))
      assert.is_nil(object.mine)
      object.mine = object
      assert.equal(object, object.mine)
      object.mine = nil
    end
    assert.not_equal(ev.Timer.new(print, 1), ev.Timer.new(print, 1))
    assert.has_error(function() core.object(5) end)
  end)

  it('lets go of objects that refer to each other', function()
    collectgarbage()
    local base = ev.object_count()
    local function make()
      local timer = ev.Timer.new(print, 1)
      local other = ev.Loop.new()
      timer.other, other.timer = other, timer
      timer:start(other)
    end
    make()
    collectgarbage()
    collectgarbage()
    assert.equal(base, ev.object_count())
  end)

  it('refuses userdata that are no loops', function()
    for _, wrong in ipairs { io.stdout, core.object {}, core.loop() } do
      local ok, message = pcall(function() ev.Timer.new(print, 1):start(wrong) end)
      assert.is_false(ok)
      assert.matches("bad argument 'loop' to 'start' (loop of jet.ev expected, got userdata)", message, 1, true)
    end
  end)

  it('has loops that a daemon and a peer run on', function()
    for _, on in ipairs { ev.Loop.default, loop } do
      local instance = daemon.new { port = 0, loop = on }
      instance:start()
      local connected = false
      local peer = jet.new {
        port = instance.port(),
        loop = on,
        on_connect = function()
          connected = true
          on:unloop()
        end,
      }
      run(on)
      peer:close()
      instance:stop()
      assert.is_true(connected)
    end
  end)

  it('is distinguished from a loop of lua-ev', function()
    local before, started = package.loaded.ev, 0
    local timer = { start = function() started = started + 1 end, stop = function() end }
    package.loaded.ev = { READ = 1, WRITE = 2, Timer = { new = function() return timer end } }
    local theirs = core.object { unloop = function() end, update_now = function() end }
    local adapters = { loops.resolve(theirs), loops.resolve(loop) }
    for _, adapter in ipairs(adapters) do
      adapter.after(30, print)()
    end
    package.loaded.ev = before
    assert.same({ 'ev', 'ev' }, { adapters[1].name, adapters[2].name })
    assert.equal(1, started)
  end)

  it('returns at once from a loop without watchers', function()
    run(loop)
    assert.equal(0, loop:depth())
  end)

  it('calls a timer once with loop, watcher and revents', function()
    local seen
    local timer = ev.Timer.new(function(...) seen = { ... } end, 0.01)
    assert.is_false(timer:is_active())
    timer:start(loop)
    assert.is_true(timer:is_active())
    run(loop)
    assert.same({ loop, timer, ev.TIMEOUT }, seen)
    assert.is_false(timer:is_active())
  end)

  it('repeats a timer until it is stopped', function()
    local calls = 0
    ev.Timer.new(function(on, timer)
      calls = calls + 1
      if calls == 3 then
        timer:stop(on)
      end
    end, 0.01, 0.005):start(loop)
    run(loop)
    assert.equal(3, calls)
  end)

  it('starts a timer over with again', function()
    local calls = 0
    local timer = ev.Timer.new(function(on, timer)
      calls = calls + 1
      timer:stop(on)
    end, 30)
    timer:start(loop)
    timer:again(loop, 0.01)
    run(loop)
    assert.equal(1, calls)
    timer:again(loop, 0)
    assert.is_false(timer:is_active())
  end)

  it('does not run on for daemons', function()
    local called = false
    ev.Timer.new(function() called = true end, 30):start(loop, true)
    ev.Timer.new(function() end, 0.01):start(loop)
    run(loop)
    assert.is_false(called)
  end)

  it('ends all nested loops with unloop', function()
    local depth
    ev.Timer.new(function()
      ev.Timer.new(function()
        depth = loop:depth()
        loop:unloop()
      end, 0.01):start(loop)
      loop:loop()
    end, 0.01):start(loop)
    ev.Timer.new(function() end, 30):start(loop)
    run(loop)
    assert.equal(2, depth)
    assert.equal(0, loop:depth())
  end)

  it('watches a descriptor level-triggered, with several watchers', function()
    local server = assert(socket.bind('127.0.0.1', 0))
    local client = assert(socket.connect('127.0.0.1', (select(2, server:getsockname()))))
    local other = assert(server:accept())
    other:send('ab')
    local calls, writable = 0, false
    local io = ev.IO.new(function(on, io, revents)
      assert.equal(ev.READ, revents)
      calls = calls + 1
      if calls == 2 then
        assert.equal('ab', client:receive(2))
        io:stop(on)
      end
    end, client:getfd(), ev.READ)
    local writer = ev.IO.new(function(on, watcher, revents)
      writable = revents == ev.WRITE
      watcher:stop(on)
    end, client:getfd(), ev.WRITE)
    io:start(loop)
    writer:start(loop)
    assert.equal(client:getfd(), io:getfd())
    run(loop)
    assert.equal(2, calls)
    assert.is_true(writable)
    server:close()
    client:close()
    other:close()
  end)

  it('calls watchers of signals', function()
    local SIGUSR1 = 10
    local seen
    ev.Signal.new(function(on, signal, revents)
      seen = revents
      signal:stop(on)
    end, SIGUSR1):start(loop)
    os.execute('kill -USR1 ' .. process_id())
    run(loop)
    assert.equal(ev.SIGNAL, seen)
  end)

  it('calls idle watchers when nothing else happens', function()
    local calls = 0
    ev.Idle.new(function(on, idle)
      calls = calls + 1
      if calls == 5 then
        idle:stop(on)
      end
    end):start(loop)
    run(loop)
    assert.equal(5, calls)
  end)

  it('calls an async watcher once for several sends', function()
    local calls = 0
    local async = ev.Async.new(function(on, async)
      calls = calls + 1
      async:stop(on)
    end)
    async:start(loop)
    async:send(loop)
    async:send(loop)
    assert.is_true(async:is_pending())
    run(loop)
    assert.equal(1, calls)
  end)

  it('replaces a callback', function()
    local called
    local timer = ev.Timer.new(function() called = 'old' end, 0.01)
    timer:callback(function() called = 'new' end)
    timer:start(loop)
    run(loop)
    assert.equal('new', called)
  end)

  it('shows timers that are due together which of them is pending', function()
    for _, action in ipairs { 'is_pending', 'clear_pending' } do
      local pending, called = 0, 0
      local timers = {}
      local function on(other)
        return function()
          called = called + 1
          if timers[other]:is_pending() then
            pending = pending + 1
            if action == 'clear_pending' then
              assert.equal(ev.TIMER, timers[other]:clear_pending(loop))
              assert.is_false(timers[other]:is_pending())
            end
          end
        end
      end
      timers[1], timers[2] = ev.Timer.new(on(2), 0.01), ev.Timer.new(on(1), 0.01)
      -- Both are started in one turn, so they are due together.
      ev.Timer.new(function()
        timers[1]:start(loop)
        timers[2]:start(loop)
      end, 0.001):start(loop)
      run(loop)
      assert.equal(1, pending)
      assert.equal(action == 'is_pending' and 2 or 1, called)
    end
  end)

  it('calls watchers in the order of their priorities', function()
    local order = {}
    ev.Timer.new(function()
      for priority = ev.MINPRI, ev.MAXPRI do
        local timer = ev.Timer.new(function() order[#order + 1] = priority end, 0.01)
        assert.equal(0, timer:priority(priority))
        assert.equal(priority, timer:priority())
        timer:start(loop)
      end
    end, 0.001):start(loop)
    run(loop)
    assert.same({ 2, 1, 0, -1, -2 }, order)
    assert.has_error(function() ev.Timer.new(print, 1):priority(3) end)
    assert.has_error(function() ev.Timer.new(print, 1):priority('x') end)
  end)

  it('calls idle watchers of a lower priority when the higher ones have stopped', function()
    local order = {}
    local function idle(name, priority, is_daemon)
      local calls = 0
      local watcher = ev.Idle.new(function(on, watcher)
        order[#order + 1] = name
        calls = calls + 1
        if calls == 2 then watcher:stop(on) end
      end)
      watcher:priority(priority)
      watcher:start(loop, is_daemon)
    end
    idle('low', 0)
    idle('high', ev.MAXPRI)
    idle('daemon', ev.MINPRI, true)
    run(loop)
    assert.same({ 'high', 'high', 'low', 'low' }, order)
  end)

  it('has one time for a turn', function()
    local before, after, later
    ev.Timer.new(function()
      before = loop:now()
      local deadline = socket.gettime() + 0.02
      repeat until socket.gettime() > deadline
      after = loop:now()
      later = loop:update_now()
    end, 0.01):start(loop)
    run(loop)
    assert.equal(before, after)
    assert.is_true(later - after >= 0.015)
    assert.equal(later <= loop:now(), true)
  end)

  it('counts turns and objects, and names its backend', function()
    local fresh = ev.Loop.new()
    assert.equal(0, fresh:iteration())
    fresh:loop()
    assert.equal(1, fresh:count())
    assert.equal(2, fresh:backend())
    assert.equal(1, ev.Loop.new(1):backend())
    collectgarbage()
    local base = ev.object_count()
    local held = { ev.Timer.new(print, 1) }
    assert.equal(base + #held, ev.object_count())
    held[1] = nil
    collectgarbage()
    assert.equal(base, ev.object_count())
    assert.same({ 10, 12, 17 }, { ev.SIGUSR1, ev.SIGUSR2, ev.SIGCHLD })
  end)

  it('names wrong arguments at the line of the caller', function()
    local wrong = {
      on_timeout = function() ev.Timer.new(5, 1) end,
      after_seconds = function() ev.Timer.new(print, {}) end,
      fd = function() ev.IO.new(print, 'x', ev.READ) end,
      revents = function() ev.IO.new(print, 0, 8) end,
      signum = function() ev.Signal.new(print) end,
      loop = function()
        local timer = ev.Timer.new(print, 1)
        timer:start(5)
      end,
    }
    for argument, call in pairs(wrong) do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches("'" .. argument .. "'", message, 1, true)
      assert.matches('ev_spec.lua:%d+:', message)
    end
    assert.has_error(function() ev.Signal.new(print, 900):start(loop) end)
  end)

  it('names a forgotten colon at the line of the caller', function()
    local objects = {
      ev.Loop.new(), ev.Timer.new(print, 1), ev.IO.new(print, 0, ev.READ), ev.Signal.new(print, ev.SIGHUP),
      ev.Idle.new(print), ev.Async.new(print),
    }
    local checked = 0
    local function check_methods(object, methods)
      for name, method in pairs(methods) do
        if type(method) == 'function' and not name:find '^_' and name ~= 'new' and name ~= 'lose' then
          for _, receiver in ipairs { 5, 'x', {}, print, io.stderr } do
            local ok, message = pcall(function() object[name](receiver, objects[1]) end)
            assert.is_false(ok, name)
            assert.matches("ev_spec.lua:%d+: bad argument 'self' to '%w+.*call it with a colon", message)
            checked = checked + 1
          end
        end
      end
    end
    local public = { 'start', 'stop', 'is_active', 'is_pending', 'clear_pending', 'callback', 'priority' }
    for index, object in ipairs(objects) do
      check_methods(object, getmetatable(getmetatable(object).__index).__index)
      for _, name in ipairs(index > 1 and public or {}) do
        check_methods(object, { [name] = object[name] })
      end
    end
    assert.is_true(checked > 200, checked)
  end)

  it('says that it has no Child and no Stat', function()
    assert.has_error(function() return ev.Child end)
    assert.has_error(function() return ev.Stat end)
  end)
end)
