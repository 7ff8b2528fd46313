--- One specification for every event loop a peer can run on.

local loops = require 'jet.loop'
local socket = require 'socket'

-- The adapters, and what gives the loop; `library` is pending where it is missing.
local ADAPTERS = {
  { name = 'builtin', loop = function() return 'builtin' end },
  { name = 'ev', loop = function() return require('jet.ev').Loop.new() end },
  { name = 'luv', library = 'luv', loop = function() return require 'luv' end },
  { name = 'copas', library = 'copas', loop = function() return require 'copas' end },
  { name = 'cqueues', library = 'cqueues', loop = function() return require('cqueues').new() end },
}

--- Returns two connected sockets.
local function pair()
  local server = assert(socket.bind('127.0.0.1', 0))
  local client = assert(socket.connect('127.0.0.1', (select(2, server:getsockname()))))
  local other = assert(server:accept())
  server:close()
  client:settimeout(0)
  other:settimeout(0)
  return client, other
end

--- Runs the loop, but not for ever.
local function run(adapter)
  local expired = false
  local cancel = adapter.after(10, function()
    expired = true
    adapter.stop()
  end)
  adapter.run()
  cancel()
  assert.is_false(expired, 'the loop did not stop by itself')
end

for _, candidate in ipairs(ADAPTERS) do
  local available = not candidate.library or pcall(require, candidate.library)

  describe('loop adapter ' .. candidate.name, function()
    if not available then
      pending('library ' .. candidate.library .. ' is missing for this Lua')
      return
    end

    local adapter, a, b, fd

    before_each(function()
      adapter = assert(loops.resolve(candidate.loop()))
      a, b = pair()
      fd = a:getfd()
    end)

    after_each(function()
      adapter.watch(fd, nil)
      a:close()
      b:close()
    end)

    it('reports a readable descriptor again and again until it was read', function()
      b:send('xy')
      local calls = 0
      adapter.watch(fd, 'r', function(readable)
        assert.is_true(readable)
        calls = calls + 1
        if calls == 3 then
          assert.equal('xy', a:receive(2))
          adapter.stop()
        end
      end)
      run(adapter)
      assert.equal(3, calls)
    end)

    it('reports a writable descriptor', function()
      local seen
      adapter.watch(fd, 'w', function(_, writable)
        seen = writable
        adapter.stop()
      end)
      run(adapter)
      assert.is_true(seen)
    end)

    it('reports that the other side has closed', function()
      b:close()
      local seen
      adapter.watch(fd, 'r', function(readable)
        seen = readable
        adapter.stop()
      end)
      run(adapter)
      assert.is_true(seen)
    end)

    it('changes the interest from within the callback', function()
      local readable_seen, writes = false, 0
      local function callback(readable, writable)
        if writable then
          writes = writes + 1
          if writes == 1 then
            adapter.watch(fd, 'r', callback)
            b:send('x')
            return
          end
        end
        if readable and a:receive(1) then
          readable_seen = true
          adapter.stop()
        end
      end
      adapter.watch(fd, 'rw', callback)
      run(adapter)
      assert.is_true(readable_seen)
      assert.equal(1, writes)
    end)

    it('forgets a descriptor', function()
      b:send('x')
      local calls = 0
      adapter.watch(fd, 'r', function()
        calls = calls + 1
        adapter.watch(fd, nil)
      end)
      adapter.after(0.05, adapter.stop)
      run(adapter)
      assert.equal(1, calls)
    end)

    it('returns from run when nothing is watched any more', function()
      b:send('x')
      adapter.watch(fd, 'r', function()
        adapter.watch(fd, nil)
      end)
      local late = false
      local cancel = adapter.after(30, function() late = true end)
      adapter.after(0, cancel)
      adapter.run()
      assert.is_false(late)
    end)

    it('calls timers in the order of their times', function()
      local order = {}
      for _, tenths in ipairs { 3, 1, 2 } do
        adapter.after(tenths / 10, function()
          order[#order + 1] = tenths
          if #order == 3 then
            adapter.stop()
          end
        end)
      end
      run(adapter)
      assert.same({ 1, 2, 3 }, order)
    end)

    it('does not call a cancelled timer, and cancelling twice is harmless', function()
      local called = false
      local cancel = adapter.after(0.01, function() called = true end)
      cancel()
      cancel()
      adapter.after(0.05, adapter.stop)
      run(adapter)
      assert.is_false(called)
    end)

    it('runs a thousand timers, and those made by timers', function()
      local count = 0
      for _ = 1, 1000 do
        adapter.after(0.001, function()
          adapter.after(0, function()
            count = count + 1
            if count == 1000 then
              adapter.stop()
            end
          end)
        end)
      end
      run(adapter)
      assert.equal(1000, count)
    end)

    it('nests: an inner run ends without the outer one', function()
      local order = {}
      adapter.after(0.01, function()
        adapter.after(0.01, function()
          order[#order + 1] = 'inner'
          adapter.stop()
        end)
        adapter.run()
        order[#order + 1] = 'outer goes on'
        adapter.after(0.01, function()
          order[#order + 1] = 'outer'
          adapter.stop()
        end)
      end)
      run(adapter)
      assert.same({ 'inner', 'outer goes on', 'outer' }, order)
    end)

    it('serves a descriptor in a run nested in its own callback', function()
      b:send('x')
      local received = {}
      adapter.watch(fd, 'r', function()
        local byte = a:receive(1)
        if not byte then
          return
        end
        received[#received + 1] = byte
        if byte == 'x' then
          b:send('y')
          adapter.run()
        end
        adapter.stop()
      end)
      run(adapter)
      assert.same({ 'x', 'y' }, received)
    end)

    it('stops the run of a peer only while one is under way', function()
      adapter.stop()
      local called = false
      adapter.after(0.01, function()
        called = true
        adapter.stop()
      end)
      run(adapter)
      assert.is_true(called)
    end)
  end)
end

describe('jet.loop', function()
  it('takes a table with the four functions of an adapter', function()
    local cancelled = 0
    local function nothing() end
    local function after() return function() cancelled = cancelled + 1 end end
    local own = { watch = nothing, after = after, run = nothing, stop = nothing }
    assert.equal(own, loops.resolve(own))
    assert.equal(own, loops.resolve(own))
    assert.equal(1, cancelled)
  end)

  it('says what is wrong with the after of such a table', function()
    local function nothing() end
    for after, text in pairs {
      [function() return {} end] = "'after' must return a function that cancels, got table",
      [nothing] = "'after' must return a function that cancels, got nil",
      [function(self, seconds) return self.x, seconds end] = "'after(seconds, callback)' raises: ",
    } do
      local own = { watch = nothing, after = after, run = nothing, stop = nothing }
      local adapter, message = loops.resolve(own)
      assert.is_nil(adapter)
      assert.matches(text, message, 1, true)
    end
  end)

  it('names the function that such a table lacks', function()
    local adapter, message = loops.resolve { watch = function() end, after = function() end, run = function() end }
    assert.is_nil(adapter)
    assert.matches("needs the function 'stop'", message, 1, true)
  end)

  it('says what is wrong with a table of uv and schedule', function()
    local uv = { new_poll = print, new_timer = print }
    for text, loop in pairs {
      ["'uv' must be the module luv, got number"] = { uv = 5 },
      ["'uv' must be the module luv, got table"] = { uv = {}, schedule = print },
      ["'uv' needs the function 'schedule' beside it, got number"] = { uv = uv, schedule = 5 },
      ["'uv' needs the function 'schedule' beside it, got nil"] = { uv = uv },
      ["'schedule' needs the module luv as 'uv' beside it"] = { schedule = print },
    } do
      local adapter, message = loops.resolve(loop)
      assert.is_nil(adapter)
      assert.matches(text, message, 1, true)
    end
  end)

  it('refuses what is no loop', function()
    for _, wrong in ipairs { 5, 'libevent', true } do
      local adapter, message = loops.resolve(wrong)
      assert.is_nil(adapter)
      assert.matches('config.loop', message, 1, true)
    end
  end)

  it('takes the default loop of what the program registered as ev', function()
    local before = package.loaded.ev
    package.loaded.ev = require 'jet.ev'
    local adapter = loops.resolve(nil)
    package.loaded.ev = before
    assert.equal('ev', adapter.name)
  end)
end)
