--- Adapter for luv, also inside Neovim (`vim.uv` or `vim.loop`).

local adapter = {}

local adapters = setmetatable({}, { __mode = 'k' })

--- Makes the adapter of a luv module; the same one each time.
---@param uv table|nil nil for `require 'luv'`
---@return jet.Adapter
function adapter.new(uv)
  uv = uv or require 'luv'
  if adapters[uv] then
    return adapters[uv]
  end
  -- Handles are stopped and used again, never closed: luv crashes when a Lua state is closed
  -- before the loop has turned once more after a close. libuv allows one poll handle for a
  -- descriptor.
  local polls, timers = {}, {}
  -- One entry for each `run` under way; true once that one is to end.
  local stopped = {}
  local self = { name = 'luv' }

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
      -- An error is found by whoever reads or writes.
      callback(err ~= nil or events:find('r', 1, true) ~= nil, err ~= nil or events:find('w', 1, true) ~= nil)
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
    -- Milliseconds, rounded up: to be early would be to be called again.
    timer:start(math.ceil(seconds * 1000), 0, function()
      cancel()
      callback()
    end)
    return cancel
  end

  -- One turn at a time, so that runs can nest.
  function self.run()
    local level = #stopped + 1
    stopped[level] = false
    repeat
      local alive = uv.run('once')
    until stopped[level] or not alive
    stopped[level] = nil
  end

  function self.stop()
    if #stopped > 0 then
      stopped[#stopped] = true
      -- The turn under way must not wait any more.
      uv.stop()
    end
  end

  adapters[uv] = self
  return self
end

return adapter
