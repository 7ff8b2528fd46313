--- The adapter for luv in a host that runs callbacks by a function of its own, such as Neovim:
-- `loop = { uv = vim.uv, schedule = vim.schedule }`. The callbacks of luv run in Neovim's fast context, in which most of
-- its API cannot be used.

local luv = require 'jet.loop.luv'
local runs = require 'jet.loop.runs'

local adapter = {}

local adapters = setmetatable({}, { __mode = 'k' })

-- Milliseconds that a turn waits at most, and between two checks whether it is over.
local TURN, INTERVAL = 1000, 10

--- Gives an adapter the functions that watch descriptors and run timers, each callback scheduled.
---@param self jet.Adapter
---@param inner jet.Adapter the adapter of luv
---@param schedule fun(f: fun())
---@param under_way jet.loop.Runs
---@return fun(): boolean alive whether there is something to wait for
local function add_watching(self, inner, schedule, under_way)
  local watched, timers = {}, 0

  -- A descriptor is not watched while its callback is scheduled but not called yet.
  local function arm(fd, entry)
    inner.watch(fd, entry.interest, function(readable, writable)
      inner.watch(fd, nil)
      schedule(function()
        if watched[fd] == entry then
          arm(fd, entry)
          under_way.call(entry.callback, readable, writable)
        end
      end)
    end)
  end

  function self.watch(fd, interest, callback)
    watched[fd] = interest and { interest = interest, callback = callback }
    if interest then
      arm(fd, watched[fd])
    else
      inner.watch(fd, nil)
    end
  end

  function self.after(seconds, callback)
    local active = true
    timers = timers + 1
    local function over()
      local was = active
      timers = timers - (active and 1 or 0)
      active = false
      return was
    end
    local cancel = inner.after(seconds, function()
      schedule(function()
        if over() then
          under_way.call(callback)
        end
      end)
    end)
    return function()
      if over() then
        cancel()
      end
    end
  end

  return function()
    return timers > 0 or next(watched) ~= nil
  end
end

--- Returns the adapter of a luv module and a scheduler; the same one each time.
---@param loop {uv: table, schedule: fun(f: fun()), wait: function|nil} `wait` as `vim.wait`, for `pi:loop`
---@return jet.Adapter
function adapter.new(loop)
  local uv = loop.uv
  if adapters[uv] then
    return adapters[uv]
  end
  local woken = false
  local under_way = runs.new(function()
    woken = true
  end)
  local self = { name = 'scheduled', stop = under_way.stop }
  local alive = add_watching(self, luv.new(uv), loop.schedule, under_way)

  -- Only the host can run scheduled callbacks, so its function waits and handles its events.
  function self.run()
    local vim = rawget(_G, 'vim')
    local wait = loop.wait or vim and vim.wait
    if not wait then
      error("this loop needs the function 'wait', like vim.wait, to be run", 0)
    end
    under_way.run(function()
      woken = false
      wait(TURN, function()
        return woken or not alive()
      end, INTERVAL)
    end, alive)
  end

  adapters[uv] = self
  return self
end

return adapter
