--- Reads and changes the value of a state.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

local pi = peer.new { port = os.getenv 'JET_PORT', name = 'counter' }
local a_state = pi:state { path = 'a_state', value = 1 }

pi:fetch('^a_state$', function(_, event, value)
  print(event, value)
  if value == 4 then
    return pi:close()
  end
  local val = a_state:value() -- the current value
  a_state:value(val + 1) -- changes the value and publishes the change
end)

pi:loop()
