--- The adapter for luv, also inside Neovim (`vim.uv` or `vim.loop`).
--
-- When a connection is refused or lost, luv prints 'EBADF: bad file descriptor' to standard error, which cannot be turned
-- off. The peer reports the real reason.

local runs = require 'jet.loop.runs'

local adapter = {}

local adapters = setmetatable({}, { __mode = 'k' })

--- Runs the loop. `uv.run` returns only after `uv.stop`, which ends the innermost run, or when it has nothing to wait
-- for. So the program may also stop the loop itself.
---@param uv table
---@param under_way jet.loop.Runs
local function run(uv, under_way)
  local over = false
  under_way.run(function()
    if under_way.outer_is_over() then
      -- Consumes that stop, which is not for the run that begins here.
      uv.run('nowait')
    end
    uv.run()
    over = true
  end, function()
    return not over
  end)
end

--- Returns the adapter of a luv module; the same one each time.
---@param uv table|nil nil for `require 'luv'`
---@return jet.Adapter
function adapter.new(uv)
  uv = uv or require 'luv'
  if adapters[uv] then
    return adapters[uv]
  end
  -- Handles are stopped and reused, never closed: luv crashes if a Lua state is closed before the loop has run once more
  -- after a close. libuv allows one poll handle for a descriptor.
  local polls, timers = {}, {}
  local under_way = runs.new(uv.stop)
  local self = { name = 'luv', stop = under_way.stop }

  function self.watch(fd, interest, callback)
    local poll = polls[fd]
    if not interest then
      if poll then
        poll:stop()
      end
      return
    end
    poll = poll or assert(uv.new_poll(fd))
    polls[fd] = poll
    poll:start(interest, function(err, events)
      -- The next read or write reports the error.
      local read, write = err or events:find('r', 1, true), err or events:find('w', 1, true)
      under_way.call(callback, read ~= nil, write ~= nil)
    end)
  end

  function self.after(seconds, callback)
    local timer = table.remove(timers) or assert(uv.new_timer())
    local function cancel()
      if timer then
        timer:stop()
        timers[#timers + 1], timer = timer, nil
      end
    end
    -- The time runs from now, not from the beginning of this turn of the loop. Milliseconds are rounded up, as an early
    -- timer would have to be started again.
    uv.update_time()
    timer:start(math.ceil(seconds * 1000), 0, function()
      cancel()
      under_way.call(callback)
    end)
    return cancel
  end

  function self.run()
    run(uv, under_way)
  end

  adapters[uv] = self
  return self
end

return adapter
