--- Removes a state and adds it again, once with a new value and once with its previous one.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

local pi = peer.new { port = os.getenv 'JET_PORT', name = 'settings' }

pi:fetch('^settings/net$', function(path, event, value)
  print('event', event, path, value.mode)
end)

local step -- a function, defined below

local net = pi:state({
  path = 'settings/net',
  value = { mode = 'static' },
}, {
  success = function() -- called once the daemon has added the state
    print 'added'
    step(1)
  end,
  error = function(err) -- called with the error if the daemon refuses it
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
    net:add(nil, callbacks) -- the previous value
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
