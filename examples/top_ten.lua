--- Keeps a table of the ten best players up to date with a sorted fetch.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

-- The states of twelve players.
local pi = peer.new { port = os.getenv 'JET_PORT', name = 'game' }
local players = {}
for i = 1, 12 do
  local path = ('player/%02d'):format(i)
  players[i] = pi:state { path = path, value = { score = i * 10 } }
end

local top_ten = {}
local shown = 0

local show_top_ten = function(changes, n)
  -- merge the changes into top_ten
  for _, change in ipairs(changes) do
    top_ten[change.index] = {
      path = change.path,
      value = change.value,
    }
  end
  -- display top_ten
  shown = shown + 1
  print(('table %d, %d changed'):format(shown, #changes))
  -- n is the number of players in the table, at most ten
  for i = 1, n do
    print(i, top_ten[i].path, top_ten[i].value.score)
  end
  if shown == 1 then
    players[1]:value { score = 115 } -- from the last rank to the second
  elseif shown == 2 then
    -- Three players leave at once; the others move up.
    pi:batch(function()
      for i = 10, 12 do
        players[i]:remove()
      end
    end)
  elseif n == 9 then
    pi:close()
  end
end

pi:fetch({
  matches = { 'player' },
  sort = {
    byValue = true,
    descending = true,
    prop = 'score',
    from = 1,
    to = 10,
  },
}, show_top_ten)

pi:loop()
