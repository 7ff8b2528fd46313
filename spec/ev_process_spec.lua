--- jet.ev and the process around it: signals and their old handlers, descriptors that are closed,
-- collection, time that is slept. Its API is in ev_spec.lua.

local adapters = require 'spec.support.adapters'
local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'

-- The beginning of every program.
local HEAD = [[
  local ev = require 'jet.ev'
  local SIGUSR1 = 10
  local loop = ev.Loop.new()
  local function kill(signal)
    os.execute(('kill -%s %s'):format(signal, process_id()))
  end
]]

local function prints(expected, code)
  assert.are.equal(expected, adapters.run('ev', HEAD .. code))
end

describe('jet.ev', function()
  it('calls all watchers of a signal, also on other loops', function()
    prints('first\nsecond\nother\n', [[
      local other = ev.Loop.new()
      local function say(word)
        return ev.Signal.new(function(on, signal)
          print(word)
          signal:stop(on)
        end, SIGUSR1)
      end
      say 'first':start(loop)
      say 'second':start(loop)
      say 'other':start(other)
      kill 'USR1'
      loop:loop()
      other:loop()
    ]])
  end)

  it('restores the old handler when the last watcher of a signal stops', function()
    local status, output = child.run [[
      local ev = require 'jet.ev'
      local loop = ev.Loop.new()
      local one = ev.Signal.new(print, ev.SIGTERM)
      local two = ev.Signal.new(print, ev.SIGTERM)
      one:start(loop)
      two:start(loop)
      one:stop(loop)
      os.execute 'kill -TERM $PPID'
      two:stop(loop)
      print 'alive'
      io.stdout:flush()
      os.execute 'kill -TERM $PPID'
      print 'not reached'
    ]]
    assert.are.equal('alive\n', (output:gsub('Terminated\n?', '')))
    assert.is_true(status == 143 or status == 124 + 19, tostring(status))
  end)

  it('forgets a signal whose watcher was collected with its loop', function()
    prints('good\n', [[
      do
        local lost = ev.Loop.new()
        ev.Signal.new(print, SIGUSR1):start(lost)
        ev.Timer.new(print, 1):start(lost)
        local a = pair()
        ev.IO.new(print, a:getfd(), ev.READ):start(lost)
      end
      lost = nil
      collect()
      for line in io.lines '/proc/self/status' do
        local caught = line:match '^SigCgt:%s*%x*(%x%x%x%x)$'
        if caught then
          print(math.floor(tonumber(caught, 16) / 512) % 2 == 0 and 'good' or 'still caught')
        end
      end
    ]])
  end)

  it('stops and calls the watchers of a descriptor that was closed', function()
    local output = adapters.run('ev', HEAD .. [[
      local a, b = pair()
      local seen = 0
      local reader = ev.IO.new(function(_, _, revents) seen = seen + revents end, a:getfd(), ev.READ)
      local writer = ev.IO.new(function(_, _, revents) seen = seen + revents end, a:getfd(), ev.WRITE)
      reader:start(loop)
      writer:start(loop)
      a:close()
      -- Nothing is left to wait for.
      loop:loop()
      print(seen, reader:is_active(), writer:is_active(), b:getfd() >= 0)
      reader:stop(loop)
    ]])
    assert.matches('was closed while it was watched', output, 1, true)
    assert.matches('3%.?0?\tfalse\tfalse\ttrue\n$', output)
  end)

  it('sleeps while only an async watcher is active', function()
    prints('good\n', [[
      local async = ev.Async.new(print)
      async:start(loop)
      ev.Timer.new(function() loop:unloop() end, 0.4):start(loop, true)
      local from = os.clock()
      loop:loop()
      print(os.clock() - from < 0.2 and 'good' or 'busy')
      async:stop(loop)
      -- Nothing of it keeps the loop.
      loop:loop()
    ]])
  end)

  it('keeps its watchers through collections, in callbacks too', function()
    prints('30\n', [[
      local count = 0
      for _ = 1, 10 do
        ev.Timer.new(function(on, timer)
          collect()
          count = count + 1
          if count % 3 == 0 then timer:stop(on) end
          if count >= 30 then on:unloop() end
        end, 0.001, 0.001):start(loop)
        collect()
      end
      ev.Timer.new(function() end, 0.001, 0.001):start(loop)
      loop:loop()
      print(count)
    ]])
  end)

  it('refuses a number that is not a descriptor', function()
    local ev = require 'jet.ev'
    for _, wrong in ipairs { -1, 0.5 } do
      local ok, message = pcall(function() ev.IO.new(print, wrong, ev.READ) end)
      assert.is_false(ok)
      assert.matches("ev_process_spec.lua:%d+: bad argument 'fd' to 'IO.new'", message)
    end
  end)

  it('prints what a callback raises and goes on', function()
    local status, output = child.run [[
      local ev = require 'jet.ev'
      local loop = ev.Loop.new()
      ev.Timer.new(function() error 'oops' end, 0.01):start(loop)
      ev.Timer.new(function() print 'later' end, 0.02):start(loop)
      loop:loop()
      print 'ended'
    ]]
    assert.are.equal(0, status, output)
    assert.matches('^CALLBACK FAILED: [^\n]*oops\n', output)
    assert.matches('later\nended\n$', output)
  end)

  it('goes on with the loop of the program after pi:loop in a callback', function()
    local status, output = child.run([[
      package.loaded.ev = require 'jet.ev'
      local ev, peer = require 'ev', require 'jet.peer'
      local loop, port = ev.Loop.default, tonumber((...))
      ev.Timer.new(function()
        local p
        p = peer.new { port = port, loop = loop, on_connect = function() p:close() end }
        print(p:loop())
        ev.Timer.new(function() print 'later' end, 0.01):start(loop)
      end, 0.01):start(loop)
      loop:loop()
    ]], jetd.shared().port)
    assert.are.equal('0: true\nlater\n', status .. ': ' .. output)
  end)
end)
