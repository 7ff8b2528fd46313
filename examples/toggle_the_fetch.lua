--- Another peer calls a method that switches a fetch off and on.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

local pi = peer.new { port = os.getenv 'JET_PORT', name = 'printer' }

-- Prints the counter until 'toggle_the_fetch' is called.
local print_fetch = pi:fetch('^counter$', function(path, event, data)
  print(path, event, data)
end)

-- The other peer counts, and calls the method between the steps.
local function count()
  local other = peer.new { port = os.getenv 'JET_PORT', name = 'counter' }
  local counter = other:state { path = 'counter', value = 1 }

  local function toggle(next_step)
    other:call('toggle_the_fetch', {}, {
      success = function(result)
        print('toggled', result)
        next_step()
      end,
      error = function(err)
        print('error', err.message)
      end,
    })
  end

  toggle(function()
    counter:value(2) -- not printed: the fetch is off
    toggle(function()
      counter:value(3)
      toggle(function()
        other:close()
        pi:close()
      end)
    end)
  end)
end

pi:method({
  path = 'toggle_the_fetch',
  call = function()
    if print_fetch:is_fetching() then
      print_fetch:unfetch()
      return 'off'
    else
      print_fetch:fetch()
      return 'on'
    end
  end,
}, {
  success = count,
})

pi:loop()
