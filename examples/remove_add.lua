--- A state that leaves the bus and comes back, once with a new value and once with its old one.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

local pi = peer.new { port = os.getenv 'JET_PORT', name = 'settings' }

pi:fetch('^settings/net$', function(path, event, value)
  print('event', event, path, value.mode)
end)

local step -- runs the steps below

local net = pi:state({
  path = 'settings/net',
  value = { mode = 'static' },
}, {
  success = function() -- called when the daemon has the state
    print 'added'
    step(1)
  end,
  error = function(err) -- called with the reason when it has not
    print('error', err.message)
    pi:close()
  end,
})

local steps = {
  function(callbacks)
    net:remove(callbacks)
  end,
  function(callbacks)
    net:add({ mode = 'auto' }, callbacks) -- a new value
  end,
  function(callbacks)
    net:remove(callbacks)
  end,
  function(callbacks)
    net:add(nil, callbacks) -- keeps the state's value
  end,
}

function step(index)
  if not steps[index] then
    return pi:close()
  end
  steps[index] {
    success = function()
      print('step', index, net:is_added() and 'added' or 'removed')
      step(index + 1)
    end,
    error = function(err)
      print('error', err.message)
      pi:close()
    end,
  }
end

pi:loop()
