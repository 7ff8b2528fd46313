--- The live table of the demo: `viewer.lua PORT SECONDS [tty]`. Redraws in place on a terminal, and otherwise prints
-- the table every few seconds. Exits with 1 if the table was never full.

local loop = require('jet.loop').resolve 'builtin'
local peer = require 'jet.peer'

local port, seconds, on_terminal = arg[1], tonumber(arg[2]), arg[3] == 'tty'

local PLACES = 10
local REDRAW = on_terminal and 0.1 or 2.5 -- seconds
local SCORE_OF_A_STAR = 40
local UP = '\27[%dA\r'
local CLEAR_LINE = '\27[K'

local top_ten, occupied, fullest, messages = {}, 0, 0, 0

local pi = peer.new {
  port = port,
  name = 'viewer',
  loop = loop,
  on_close = function(_, reason)
    if reason ~= 'closed' then
      io.stderr:write('viewer: ', tostring(reason), '\n')
      os.exit(1)
    end
  end,
}

pi:fetch({
  path = { startsWith = 'player/' },
  sort = { byValueField = { score = 'number' }, descending = true, from = 1, to = PLACES },
}, function(changes, n)
  for _, change in ipairs(changes) do
    top_ten[change.index] = change
  end
  messages = messages + 1
  occupied = n
  fullest = math.max(fullest, n)
end)

--- The lines of the table.
local function lines()
  local list = { ('top ten, live (%d updates)'):format(messages) }
  for place = 1, PLACES do
    local entry = place <= occupied and top_ten[place]
    if entry then
      local name, score = entry.path:match '[^/]+$', entry.value.score
      list[#list + 1] = ('%3d. %-10s %5d %s'):format(place, name, score, ('*'):rep(math.floor(score / SCORE_OF_A_STAR)))
    else
      list[#list + 1] = ('%3d.'):format(place)
    end
  end
  return list
end

local drawn = false

local function draw()
  local list = lines()
  if on_terminal then
    io.write(drawn and UP:format(#list) or '', table.concat(list, CLEAR_LINE .. '\n'), CLEAR_LINE, '\n')
  else
    io.write(drawn and '\n' or '', table.concat(list, '\n'), '\n')
  end
  io.stdout:flush()
  drawn = true
end

local function redraw()
  draw()
  loop.after(REDRAW, redraw)
end
loop.after(REDRAW / 2, redraw)

loop.after(seconds, function()
  draw()
  pi:close()
  loop.stop()
end)

pi:loop()
if fullest < PLACES then
  io.stderr:write('viewer: the table was never full\n')
  os.exit(1)
end
