--- `peer:loop` on each event loop: what ends it, also when one is inside of another.

local adapters = require 'spec.support.adapters'
local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'

-- The beginning of every program, after that of `adapters.run`.
local HEAD = [[
  local port = tonumber((select(2, ...)))
  local peer = require 'jet.peer'
  local SIGUSR1, SIGUSR2 = 10, 12
  -- Each program ends by itself long before.
  local give_up = adapter.after(20, function() os.exit(3) end)
  local function connect(config)
    config = config or {}
    config.port, config.loop = port, name
    return peer.new(config)
  end
  local function kill(signal, process)
    os.execute(('kill -%s %s'):format(signal, process))
  end
]]

--- Defines the tests of `peer:loop` on a loop, by its name.
local function promises(name)
  local function prints(expected, code)
    assert.are.equal(expected, adapters.run(name, HEAD .. code .. ' give_up()', jetd.shared().port))
  end

  it('talks to the daemon and returns when the peer is closed', function()
    prints('set\t5\ncalled\t3\nclosed\tclosed\nback\n', [[
      local p
      p = connect {
        on_close = function(_, reason) print('closed', reason) end,
      }
      local path = 'loop/' .. name
      p:state { path = path, value = 1, set = function(value) print('set', value) end }
      p:method { path = path .. '/add', call = function(a, b) return a + b end }
      p:set(path, 5, { success = function()
        p:call(path .. '/add', { 1, 2 }, { success = function(sum)
          print('called', sum)
          p:close()
        end })
      end })
      p:loop()
      print 'back'
    ]])
  end)

  it('returns when the loop is stopped, and can go on', function()
    prints('stopped\nclosed\n', [[
      local p = connect()
      adapter.after(0.02, adapter.stop)
      p:loop {}
      print 'stopped'
      adapter.after(0.02, function() p:close() end)
      p:loop {}
      print 'closed'
    ]])
  end)

  it('ends the run of the peer that was closed, not one inside of it', function()
    prints('inner\nouter\n', [[
      local outer, inner = connect(), connect()
      local others = connect()
      adapter.after(0.01, function()
        adapter.after(0.01, function() outer:close() end)
        adapter.after(0.05, function() inner:close() end)
        inner:loop {}
        print 'inner'
      end)
      outer:loop {}
      print 'outer'
      others:close()
    ]])
  end)

  it('returns from all calls for a peer that is closed inside of both', function()
    prints('inner\nouter\n', [[
      local p, others = connect(), connect()
      adapter.after(0.01, function()
        adapter.after(0.01, function() p:close() end)
        p:loop {}
        print 'inner'
      end)
      p:loop {}
      print 'outer'
      others:close()
    ]])
  end)

  it('returns on the signals it was given, the old handlers are back', function()
    prints('back\nagain\n', [[
      local p = connect()
      for _, word in ipairs { 'back', 'again' } do
        adapter.after(0.01, function() kill('USR1', process_id()) end)
        p:loop { SIGUSR1, SIGUSR2 }
        print(word)
        for line in io.lines '/proc/self/status' do
          local caught = line:match '^SigCgt:%s*%x*(%x%x%x%x)$'
          if caught then
            -- Bits 9 and 11 stand for the two signals.
            assert(math.floor(tonumber(caught, 16) / 512) % 2 == 0)
            assert(math.floor(tonumber(caught, 16) / 2048) % 2 == 0)
          end
        end
      end
      p:close()
    ]])
  end)

  it('ends all calls that listen to a signal, the innermost first', function()
    prints('inner\nouter\n', [[
      local outer, inner = connect(), connect()
      adapter.after(0.01, function()
        adapter.after(0.01, function() kill('USR1', process_id()) end)
        inner:loop { SIGUSR1 }
        print 'inner'
      end)
      outer:loop { SIGUSR1 }
      print 'outer'
    ]])
  end)

  it('ignores signals it was not to listen to', function()
    prints('caught\nclosed\n', [[
      local signals = assert(require 'jet.core'.signals { SIGUSR1 })
      local p = connect()
      adapter.watch(signals:fd(), 'r', function()
        while signals:read() do print 'caught' end
        adapter.watch(signals:fd(), nil)
        signals:close()
        adapter.after(0.01, function() p:close() end)
      end)
      adapter.after(0.01, function() kill('USR1', process_id()) end)
      p:loop { SIGUSR2 }
      print 'closed'
    ]])
  end)
end

for _, candidate in ipairs(adapters.ALL) do
  describe('peer:loop on ' .. candidate.name, function()
    if adapters.missing(candidate) then
      pending(adapters.missing(candidate))
    else
      promises(candidate.name)
    end
  end)
end

describe('signals', function()
  it('leave SIGPIPE as it was', function()
    local status, output = child.run([[
      -- How SIGPIPE, the 13th, is handled: caught, ignored.
      local function handling()
        local found = {}
        for line in io.lines '/proc/self/status' do
          local mask = line:match '^SigCgt:%s*(%x+)$' or line:match '^SigIgn:%s*(%x+)$'
          if mask then
            found[#found + 1] = math.floor(tonumber(mask:sub(-4), 16) / 4096) % 2
          end
        end
        return table.concat(found, ' ')
      end
      local before = handling()
      local peer = require 'jet.peer'
      local p = peer.new {
        port = tonumber((...)),
        loop = 'builtin',
        on_connect = function(p) p:close() end,
      }
      p:loop()
      print(#before == 3 and handling() == before)
    ]], jetd.shared().port)
    assert.are.equal('true\n', output)
    assert.are.equal(0, status)
  end)
end)
