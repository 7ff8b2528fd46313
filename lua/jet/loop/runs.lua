--- The active calls of `run` of an adapter, nested in each other: how the innermost one is stopped, and where an error
-- of a callback goes.
--
-- The libraries handle an error of a callback differently; luv ends the program. So the innermost `run` raises it, and the
-- library never sees it.

local core = require 'jet.core'

local runs = {}

---@class jet.loop.Runs
---@field call fun(callback: function, ...: any) calls a callback of the peer
---@field run fun(turn: fun(), alive: fun(): any) turns the loop until it is stopped or not alive
---@field outer_is_over fun(): boolean whether the run around the innermost one was stopped
---@field stop fun(): boolean ends the innermost run; false if there is none

--- Turns a loop until its innermost run is to end.
---@param state {stopped: boolean[], failure: {raised: any}|nil} of the loop
---@param wake fun()
---@param turn fun()
---@param alive fun(): any
local function run(state, wake, turn, alive)
  local stopped = state.stopped
  local level = #stopped + 1
  stopped[level] = false
  local ok, raised = true, nil
  while ok and not stopped[level] and not (state.failure and level == #stopped) and alive() do
    ok, raised = pcall(turn)
  end
  if ok and state.failure and level == #stopped then
    ok, raised, state.failure = false, state.failure.raised, nil
  end
  for inner = #stopped, level, -1 do
    stopped[inner] = nil
  end
  if stopped[level - 1] then
    -- The outer run was stopped before this one began, and may have missed it.
    wake()
  end
  if not ok then
    error(raised, 0)
  end
end

--- Makes the bookkeeping of a loop.
---@param wake? fun() makes the innermost run check whether it is to end
---@return jet.loop.Runs
function runs.new(wake)
  wake = wake or function() end
  -- `stopped` has one entry for each active run; true if it is to end.
  local stopped = {}
  local state = { stopped = stopped }
  local self = {}

  function self.call(callback, ...)
    if #stopped == 0 then
      callback(...)
      return
    end
    local ok, raised = pcall(callback, ...)
    if not ok and state.failure then
      -- Only one error can be raised in one turn of the loop.
      core.complain(tostring(raised))
    elseif not ok then
      state.failure = { raised = raised }
      wake()
    end
  end

  function self.run(turn, alive)
    run(state, wake, turn, alive)
  end

  function self.outer_is_over()
    return stopped[#stopped - 1] == true
  end

  function self.stop()
    if #stopped == 0 then
      return false
    end
    stopped[#stopped] = true
    wake()
    return true
  end

  return self
end

return runs
