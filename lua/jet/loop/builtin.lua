--- The built-in event loop: `jet.core` waits with poll(2), this file has the callbacks.

local caller = require 'jet.caller'
local core = require 'jet.core'

local READY, TIMER, INVALID = 1, 2, 3

local builtin = {}

---@class jet.BuiltinLoop: jet.Adapter
---@field name 'builtin'
---@field on_invalid fun(fd: integer) called for a descriptor that was closed while it was watched

--- Gives an adapter the functions that watch descriptors and wait.
---@param adapter jet.BuiltinLoop
---@param engine userdata
local function add_watching(adapter, engine)
  local callbacks, timers = {}, {}

  function adapter.watch(fd, interest, callback)
    if fd < 0 then
      -- poll(2) would ignore it and wait for ever. A closed socket of luasocket has this number.
      caller.fail('jet.loop: ' .. fd .. ' is not a descriptor')
    end
    callbacks[fd] = interest and callback
    engine:watch(fd, interest == 'r' or interest == 'rw', interest == 'w' or interest == 'rw')
  end

  function adapter.after(seconds, callback)
    local timer = engine:timer(seconds)
    timers[timer] = callback
    return function()
      timers[timer] = nil
      engine:cancel(timer)
    end
  end

  function adapter.on_invalid(_) end

  --- Waits for one event and handles it.
  ---@param seconds? number how long at most
  ---@return boolean handled false if the time is over, a signal arrived, or there is nothing to wait for
  function adapter.step(seconds)
    local kind, id, readable, writable, message = engine:wait(seconds)
    -- A finalizer that ran since the engine returned may have removed the descriptor or timer.
    local callback
    if kind == READY then
      callback = callbacks[id]
      if callback then
        callback(readable, writable)
      end
    elseif kind == TIMER then
      callback, timers[id] = timers[id], nil
      if callback then
        callback()
      end
    elseif kind == INVALID then
      callbacks[id] = nil
      core.complain('descriptor ' .. id .. ' was closed while it was watched')
      adapter.on_invalid(id)
    elseif message then
      error('jet.loop: ' .. message, 0)
    end
    return kind == READY or kind == TIMER
  end
end

--- Gives an adapter the functions that run and stop it.
---@param adapter jet.BuiltinLoop
local function add_running(adapter)
  -- One entry for each active `run`, the innermost last; true if it is to end.
  local stopped = {}

  --- Runs until there is nothing to wait for, or until `stop`.
  ---@param step? fun() called in each turn instead of `adapter.step`
  function adapter.run(step)
    step = step or adapter.step
    local level = #stopped + 1
    stopped[level] = false
    local ok, raised = pcall(function()
      while not stopped[level] and adapter.alive() do
        step()
      end
    end)
    -- An error may have left inner levels behind.
    for inner = #stopped, level, -1 do
      stopped[inner] = nil
    end
    if not ok then
      error(raised, 0)
    end
  end

  function adapter.stop()
    if #stopped > 0 then
      stopped[#stopped] = true
    end
  end

  --- Ends all active runs.
  function adapter.stop_all()
    for level = 1, #stopped do
      stopped[level] = true
    end
  end
end

--- Makes a loop.
---@return jet.BuiltinLoop
function builtin.new()
  local engine = core.loop()
  ---@type jet.BuiltinLoop
  local adapter = { name = 'builtin' }

  --- Returns how many descriptors are watched and timers run.
  ---@return integer
  function adapter.count()
    return engine:count()
  end

  --- Returns whether there is something to wait for. `jet.ev` refines it.
  ---@return boolean
  function adapter.alive()
    return engine:count() > 0
  end

  --- Returns whether an event of the last wait is not handled yet.
  ---@return boolean
  function adapter.more()
    return engine:more()
  end

  add_watching(adapter, engine)
  add_running(adapter)
  return adapter
end

local default

--- Returns the loop that peers use by default.
---@return jet.BuiltinLoop
function builtin.default()
  default = default or builtin.new()
  return default
end

return builtin
