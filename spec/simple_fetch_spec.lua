--- Daemons in the simple fetch mode, and our peers on them.

local jet_daemon = require 'jet.daemon'
local jetd = require 'spec.support.jetd'
local support = require 'spec.support.fixture'

local recorder, count, wait = support.recorder, support.count, support.wait

--- Checks that programs notice nothing of the mode.
local function check_peers(port)
  local owner, p = support.connected { port = port }, support.connected { port = port }
  for path, value in pairs { a1 = 3, a2 = 1, b = 2 } do
    support.result(function(callbacks) owner:state({ path = path, value = value }, callbacks) end)
  end
  local single, sorted = recorder(), recorder()
  support.result(function(callbacks) p:fetch({ path = { startsWith = 'b' } }, single, callbacks) end)
  support.result(function(callbacks)
    p:fetch({ path = { startsWith = 'a' }, sort = { byValue = 'number' } }, sorted, callbacks)
  end)
  wait(count(single, 1), 'the add')
  wait(count(sorted, 1), 'the window')
  assert.are.same({ 'b', 'add', 2 }, { single[1][1], single[1][2], single[1][3] })
  local changes = { { path = 'a2', value = 1, index = 1 }, { path = 'a1', value = 3, index = 2 } }
  assert.are.same(changes, sorted[1][1])
  assert.are.equal('simple', p:info().features.fetch)
end

describe('The simple fetch mode', function()
  after_each(support.cleanup)

  it('of jetd serves our peers', function()
    local daemon = jetd.start '--simple-fetch'
    check_peers(daemon.port)
    support.cleanup()
    daemon.stop()
  end)

  it('of jet.daemon serves our peers', function()
    local daemon = jet_daemon.new { port = 0, interface = '127.0.0.1', simple_fetch = true, log = false }
    daemon.start()
    check_peers(daemon.port())
    support.cleanup()
    daemon.stop()
  end)

  it('is true or false', function()
    support.raises_here(function() jet_daemon.new { simple_fetch = 'yes' } end, 'options.simple_fetch')
  end)
end)
