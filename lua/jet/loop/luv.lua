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
  -- libuv allows one poll handle for a descriptor.
  local polls = {}
  -- One entry for each `run` under way; true once that one is to end.
  local stopped = {}
  local self = { name = 'luv' }

  local function forget(fd)
    local poll = polls[fd]
    if poll then
      polls[fd] = nil
      poll:stop()
      poll:close()
    end
  end

  function self.watch(fd, interest, callback)
    if not interest then
      return forget(fd)
    end
    polls[fd] = polls[fd] or assert(uv.new_poll(fd))
    polls[fd]:start(interest, function(err, events)
      -- An error is found by whoever reads or writes.
      callback(err ~= nil or events:find('r', 1, true) ~= nil, err ~= nil or events:find('w', 1, true) ~= nil)
    end)
  end

  function self.after(seconds, callback)
    local timer = assert(uv.new_timer())
    local function cancel()
      if not timer:is_closing() then
        timer:stop()
        timer:close()
      end
    end
    -- Milliseconds, rounded up: to be early would be to be called again.
    timer:start(math.ceil(seconds * 1000), 0, function()
      cancel()
      callback()
    end)
    return cancel
  end

  -- One turn at a time, so that runs can nest. The turn behind the last one ends what was closed
  -- in it: luv crashes if a Lua 5.1 state is closed before.
  function self.run()
    local level = #stopped + 1
    stopped[level] = false
    repeat
      local alive = uv.run('once')
    until stopped[level] or not alive
    stopped[level] = nil
    if level == 1 then
      uv.run('nowait')
    end
  end

  function self.stop()
    if #stopped > 0 then
      stopped[#stopped] = true
    end
  end

  adapters[uv] = self
  return self
end

return adapter
