--- The adapter for lua-ev, and for `jet.ev`, which has the same API.

local Watcher = require 'jet.ev.watcher'

local adapter = {}

--- Returns the module that a loop belongs to.
---@param loop any
---@return table
local function module_of(loop)
  local own = package.loaded['jet.ev']
  if own and Watcher.is_loop(loop) then
    return own
  end
  return require 'ev'
end

local adapters = setmetatable({}, { __mode = 'k' })

--- Makes the function that watches descriptors with two watchers for each, one for each direction.
---@param ev table
---@param loop any
---@return fun(fd: integer, interest: string|nil, callback: function|nil) watch as `jet.Adapter.watch`
local function make_watch(ev, loop)
  local watched = {}

  --- Starts or stops one direction of a descriptor.
  local function direct(entry, fd, revents, wanted)
    local io = entry[revents]
    if wanted and not io then
      io = ev.IO.new(function()
        local call = entry.callback
        if call then
          return call(revents == ev.READ, revents == ev.WRITE)
        end
      end, fd, revents)
      entry[revents] = io
    end
    if io and wanted ~= io:is_active() then
      if wanted then
        io:start(loop)
      else
        io:stop(loop)
      end
    end
  end

  return function(fd, interest, callback)
    local entry = watched[fd] or {}
    entry.callback = callback
    direct(entry, fd, ev.READ, interest == 'r' or interest == 'rw')
    direct(entry, fd, ev.WRITE, interest == 'w' or interest == 'rw')
    watched[fd] = interest and entry or nil
  end
end

--- Gives an adapter the functions that run and stop its loop.
---@param self jet.Adapter
---@param ev table
---@param loop any
local function add_running(self, ev, loop)
  -- One entry for each active `run`; true if it is to end.
  local stopped = {}

  -- lua-ev's `unloop` ends every nested loop, so the outer ones are entered again.
  function self.run()
    local level = #stopped + 1
    stopped[level] = false
    local ok, raised
    repeat
      self.unwinding = false
      ok, raised = pcall(loop.loop, loop)
    until not ok or stopped[level] or not self.unwinding
    for inner = #stopped, level, -1 do
      stopped[inner] = nil
    end
    if not ok then
      error(raised, 0)
    end
  end

  function self.stop()
    if #stopped > 0 then
      stopped[#stopped] = true
      self.unwinding = true
    end
    -- lua-ev's `unloop` ends all runs of the loop, also one that the program began around that of `pi:loop`.
    if ev == package.loaded['jet.ev'] then
      loop._adapter.stop()
    else
      loop:unloop()
    end
  end
end

--- Returns the adapter of a loop; the same one each time.
---@param loop any nil for `ev.Loop.default`
---@return jet.Adapter
function adapter.new(loop)
  local ev = module_of(loop)
  loop = loop or ev.Loop.default
  if adapters[loop] then
    return adapters[loop]
  end
  local self = { name = 'ev', watch = make_watch(ev, loop) }

  function self.after(seconds, callback)
    -- libev ignores timers of length 0.
    local timer = ev.Timer.new(function(_, timer)
      timer:stop(loop)
      callback()
    end, math.max(seconds, 1e-6))
    -- The time runs from now, not from the beginning of this turn of the loop.
    loop:update_now()
    timer:start(loop)
    return function()
      timer:stop(loop)
    end
  end

  -- Without this, libev would change what the loop of the parent process watches.
  function self.forked()
    if loop.fork then
      loop:fork()
    end
  end

  add_running(self, ev, loop)
  adapters[loop] = self
  return self
end

return adapter
