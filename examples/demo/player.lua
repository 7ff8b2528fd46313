--- One player of the demo: `player.lua PORT NAME SEED`. Runs as a separate process and changes its score at random.

local loop = require('jet.loop').resolve 'builtin'
local peer = require 'jet.peer'

local port, name, seed = arg[1], arg[2], tonumber(arg[3])
math.randomseed(seed)
-- The first numbers of some generators hardly depend on the seed.
for _ = 1, 10 do
  math.random()
end

local SLOWEST, FASTEST = 0.6, 0.05 -- seconds between two turns

local pi = peer.new {
  port = port,
  name = name,
  loop = loop,
  -- The demo ends with its daemon.
  on_close = function()
    os.exit(0)
  end,
}
local score = math.random(0, 500)
local state = pi:state { path = 'player/' .. name, value = { score = score } }

local function turn()
  score = math.max(0, score + math.random(-60, 80))
  state:value { score = score }
  loop.after(FASTEST + math.random() * (SLOWEST - FASTEST), turn)
end
turn()

pi:loop()
