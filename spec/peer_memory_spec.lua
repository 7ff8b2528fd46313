--- The memory of a peer after large messages: none of it is kept.

local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'
local support = require 'spec.support.fixture'

-- Connects many peers, has each get a large value, and prints by how many KiB the process has grown.
local PROGRAM = [[
  local port = tonumber((...))
  local PEERS, ENOUGH = 40, 15000
  local loop = require 'jet.loop.builtin'.new()
  local jet = require 'jet.peer'
  local function resident()
    for line in io.lines '/proc/self/status' do
      local size = line:match '^VmRSS:%s*(%d+)'
      if size then return tonumber(size) end
    end
  end
  local up, got = 0, 0
  local function wait(done)
    local late = false
    local cancel = loop.after(20, function() late = true end)
    while not done() and not late do loop.step(0.05) end
    cancel()
    return not late
  end
  local peers = {}
  for i = 1, PEERS do
    peers[i] = jet.new { port = port, loop = loop, on_connect = function() up = up + 1 end }
  end
  assert(wait(function() return up == PEERS end), 'not connected')
  local before = resident()
  for i = 1, PEERS do
    local last = i
    peers[i]:fetch('large', function(_, _, value)
      assert(#value == 1000000)
      got = got + 1
    end)
    assert(wait(function() return got == last end), 'no answer')
  end
  wait(function()
    collectgarbage()
    collectgarbage()
    return resident() - before < ENOUGH
  end)
  print(resident() - before < ENOUGH and 'small' or 'grown by ' .. resident() - before .. ' KiB')
  os.exit(0)
]]

describe('A peer', function()
  after_each(support.cleanup)

  it('gives the memory of large messages back once they are handled', function()
    local status = io.open '/proc/self/status'
    if not status then
      return pending 'there is no /proc here'
    end
    status:close()
    local owner = support.connected()
    support.result(function(callbacks)
      owner:state({ path = 'large', value = ('x'):rep(1000000) }, callbacks)
    end)
    local code, output = child.run(PROGRAM, jetd.shared().port)
    assert.are.same({ 0, 'small\n' }, { code, output })
  end)
end)
