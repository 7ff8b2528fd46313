--- The loop under the specs: runs until something has happened, and never longer than a deadline.
--
-- It wraps an adapter of the module (`JET_SPEC_LOOP` chooses another one than the built-in),
-- looks at the awaited condition after each callback, and so needs no sleeping and no polling.

local loops = require 'jet.loop'

local inner = assert(loops.resolve(os.getenv 'JET_SPEC_LOOP' or 'builtin'))

-- Seconds; only a failing spec waits that long.
local PATIENCE = 10

local awaited

local function look()
  if awaited and awaited() then
    inner.stop()
  end
end

--- The adapter that specs hand to `peer.new` as `loop`.
local loop = {
  watch = function(fd, interest, callback)
    return inner.watch(fd, interest, callback and function(readable, writable)
      callback(readable, writable)
      look()
    end)
  end,
  after = function(seconds, callback)
    return inner.after(seconds, function()
      callback()
      look()
    end)
  end,
  run = function()
    return inner.run()
  end,
  stop = function()
    return inner.stop()
  end,
}

--- Runs the loop until the condition holds; raises at the caller if it does not in time.
---@param condition fun(): any
---@param what string what is waited for, for the error
---@param seconds? number
local function wait(condition, what, seconds)
  if condition() then
    return
  end
  local late = false
  local cancel = inner.after(seconds or PATIENCE, function()
    late = true
    inner.stop()
  end)
  local outer = awaited
  awaited = condition
  while not late and not condition() do
    inner.run()
  end
  awaited = outer
  cancel()
  if not condition() then
    error(('waited %g seconds for %s'):format(seconds or PATIENCE, what), 2)
  end
end

--- Runs the loop for so long: only where it matters that nothing happens.
---@param seconds number
local function idle(seconds)
  local over = false
  local cancel = inner.after(seconds, function()
    over = true
    inner.stop()
  end)
  while not over do
    inner.run()
  end
  cancel()
end

return { adapter = loop, wait = wait, idle = idle }
