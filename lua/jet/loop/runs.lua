--- What the adapters of most libraries share: the calls of `run` that are under way, one inside
-- the other, how the innermost one is stopped, and who gets what a callback raises.
--
-- The libraries do different things to a program whose callback raises; luv ends it. So while
-- `run` is under way the innermost one raises it, and the library never sees it.

local core = require 'jet.core'

local runs = {}

---@class jet.loop.Runs
---@field call fun(callback: function, ...: any) calls back
---@field run fun(turn: fun(), alive: fun(): any) turns the loop until it is stopped or not alive
---@field outer_is_over fun(): boolean whether the run around the innermost one was stopped already
---@field stop fun(): boolean ends the innermost run; false if there is none

--- Makes the bookkeeping of a loop.
---@param wake? fun() what else it takes to have the innermost run look
---@return jet.loop.Runs
function runs.new(wake)
  -- One entry for each run under way; true once that one is to end.
  local stopped = {}
  local failure
  local self = {}

  function self.call(callback, ...)
    if #stopped == 0 then
      callback(...)
      return
    end
    local ok, raised = pcall(callback, ...)
    if ok then
      return
    elseif failure then
      -- Two in one turn of the loop: only one can be raised.
      core.complain(tostring(raised))
      return
    end
    failure = { raised = raised }
    if wake then
      wake()
    end
  end

  --- Whether a run is to end.
  ---@param level integer
  ---@return boolean
  local function over(level)
    return stopped[level] or failure ~= nil and level == #stopped
  end

  function self.run(turn, alive)
    local level = #stopped + 1
    stopped[level] = false
    local ok, raised = true, nil
    while ok and not over(level) and alive() do
      ok, raised = pcall(turn)
    end
    if ok and failure and level == #stopped then
      ok, raised, failure = false, failure.raised, nil
    end
    for inner = #stopped, level, -1 do
      stopped[inner] = nil
    end
    if wake and stopped[level - 1] then
      -- It was told before this run began, and may have forgotten.
      wake()
    end
    if not ok then
      error(raised, 0)
    end
  end

  function self.outer_is_over()
    return stopped[#stopped - 1] == true
  end

  function self.stop()
    if #stopped == 0 then
      return false
    end
    stopped[#stopped] = true
    if wake then
      wake()
    end
    return true
  end

  return self
end

return runs
