--- The active calls of `peer:loop` on each event loop. They may be nested, for the same peer or different ones.
--
-- An adapter can only end its innermost run. So an outer call that is over returns after the inner ones.

local core = require 'jet.core'

local peer_loops = {}

---@class jet.PeerLoop
---@field is_over fun(): boolean|nil whether the peer is closed
---@field signalled boolean|nil

-- The active calls of each adapter, the innermost last.
---@type table<jet.Adapter, jet.PeerLoop[]>
local under_way = setmetatable({}, { __mode = 'k' })

--- Ends the innermost run if its peer has closed or it got a signal. Called whenever a peer has closed.
---@param adapter jet.Adapter
function peer_loops.review(adapter)
  local calls = under_way[adapter]
  local innermost = calls and calls[#calls]
  if innermost and (innermost.signalled or innermost.is_over()) then
    adapter.stop()
  end
end

--- Watches signals for a call.
---@param adapter jet.Adapter
---@param call jet.PeerLoop
---@param signals integer[]
---@return fun()|nil close restores the old handlers; nil if the signals cannot be watched
---@return string|nil message
local function listen(adapter, call, signals)
  if #signals == 0 then
    return function() end
  end
  local watched, message = core.signals(signals)
  if not watched then
    return nil, message
  end
  local fd = watched:fd()
  adapter.watch(fd, 'r', function()
    watched:read()
    call.signalled = true
    peer_loops.review(adapter)
  end)
  return function()
    adapter.watch(fd, nil)
    watched:close()
  end
end

--- Runs a loop until a peer has closed, a signal comes or the loop is stopped.
---@param adapter jet.Adapter
---@param is_over fun(): boolean|nil whether the peer has closed
---@param signals integer[] signal numbers; none are watched if it is empty
---@return boolean|nil done nil if the signals cannot be watched
---@return string|nil message
function peer_loops.run(adapter, is_over, signals)
  local call = { is_over = is_over }
  local close, message = listen(adapter, call, signals)
  if not close then
    return nil, message
  end
  local calls = under_way[adapter] or {}
  under_way[adapter] = calls
  local level = #calls + 1
  calls[level] = call
  local ok, raised = pcall(adapter.run)
  for inner = #calls, level, -1 do
    calls[inner] = nil
  end
  close()
  peer_loops.review(adapter)
  if not ok then
    error(raised, 0)
  end
  return true
end

return peer_loops
