--- The adapter for cqueues: threads of a controller.

local core = require 'jet.core'
local runs = require 'jet.loop.runs'
local threads = require 'jet.loop.threads'

local adapter = {}

local adapters = setmetatable({}, { __mode = 'k' })
local own

--- Makes the registry of the descriptors that the threads of a controller watch.
---@param controller any
---@param under_way jet.loop.Runs
---@return table
local function make_registry(controller, under_way)
  local cqueues, condition = require 'cqueues', require 'cqueues.condition'

  local function spawn(serve, entry)
    entry.changed = entry.changed or condition.new()
    controller:wrap(serve, entry)
  end

  local function wait(entry)
    local object = { pollfd = entry.fd, events = entry.interest }
    local first, second = cqueues.poll(object, entry.changed)
    if first ~= object and second ~= object then
      return false, false
    end
    -- cqueues does not report which direction is ready, so both are tried.
    return object.events ~= 'w', object.events ~= 'r'
  end

  return threads.new(spawn, wait, function(entry)
    entry.changed:signal()
    if not entry.interest then
      cqueues.cancel(entry.fd)
    end
  end, under_way)
end

--- Makes the timers of a controller.
---@param controller any
---@param under_way jet.loop.Runs
---@return fun(seconds: number, callback: fun()): fun() after as `jet.Adapter.after`
---@return fun() run_due fires what is due while the controller cannot
local function make_timers(controller, under_way)
  local cqueues, condition = require 'cqueues', require 'cqueues.condition'
  local timers = {}

  local function after(seconds, callback)
    local cancelled = condition.new()
    local timer = { due = core.now() + seconds }
    function timer.fire()
      if timers[timer] then
        timers[timer] = nil
        under_way.call(callback)
      end
    end
    timers[timer] = true
    controller:wrap(function()
      cqueues.poll(cancelled, seconds)
      timer.fire()
    end)
    return function()
      timers[timer] = nil
      cancelled:signal()
    end
  end

  local function run_due()
    local now, due = core.now(), {}
    for timer in pairs(timers) do
      if timer.due <= now then
        due[#due + 1] = timer
      end
    end
    for _, timer in ipairs(due) do
      timer.fire()
    end
  end

  return after, run_due
end

--- Steps a controller that is not running already.
---@param controller any
local function step(controller)
  local ok, message, _, thread = controller:step()
  if not ok then
    error(thread and debug.traceback(thread, tostring(message)) or message, 0)
  end
end

--- Returns the adapter of a controller; the same one each time.
---@param controller any nil or the module itself for a controller of this adapter
---@return jet.Adapter
function adapter.new(controller)
  local cqueues = require 'cqueues'
  if controller == nil or controller == cqueues then
    own = own or cqueues.new()
    controller = own
  end
  if adapters[controller] then
    return adapters[controller]
  end
  local stopping = require 'cqueues.condition'.new()
  local under_way = runs.new(function()
    stopping:signal()
    -- A new thread wakes up a controller that waits.
    controller:wrap(function() end)
  end)
  local registry = make_registry(controller, under_way)
  local after, run_due = make_timers(controller, under_way)

  ---@type jet.Adapter
  local self = {
    name = 'cqueues', controller = controller, watch = registry.watch, after = after, stop = under_way.stop,
  }

  -- Without this, the controller would change what the controller of the parent process watches. Fails while it runs.
  function self.forked()
    if controller.reset then
      pcall(controller.reset, controller)
    end
  end

  --- Steps the controller, or yields to it if this is one of its threads.
  local function turn()
    if cqueues.running() ~= controller then
      step(controller)
    elseif threads.CAN_YIELD then
      cqueues.poll(stopping)
    else
      registry.step()
      run_due()
    end
  end

  function self.run()
    if threads.CAN_YIELD then
      registry.replace_busy()
    end
    under_way.run(turn, function()
      return not controller:empty()
    end)
  end

  adapters[controller] = self
  return self
end

return adapter
