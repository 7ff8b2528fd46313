--- Prints the first five events of a fetch, then ends the fetch.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

-- Three states, which change below.
local pi = peer.new { port = os.getenv 'JET_PORT', name = 'oven' }
local temperature = pi:state { path = 'oven/temperature', value = 20 }
local door = pi:state { path = 'oven/door', value = 'open' }
pi:state { path = 'oven/light', value = true }

local i = 0
pi:fetch('^oven/', function(path, event, value, fetcher)
  i = i + 1
  print(i, event, path, value)
  if i == 3 then
    door:value 'closed'
    temperature:value(180)
    temperature:value(200) -- the sixth event, which is not printed
  elseif i == 5 then
    fetcher:unfetch()
    pi:close()
  end
end)

pi:loop()
