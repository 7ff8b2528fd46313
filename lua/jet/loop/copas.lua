--- The adapter for copas: threads of copas that wait for a descriptor as for a socket.
--
-- Copas waits for any object with `getfd` whose `receive` or `send` returns 'timeout'. So a pseudo socket returns that
-- at the first call and 'ready' at the second.

local core = require 'jet.core'
local runs = require 'jet.loop.runs'
local threads = require 'jet.loop.threads'

local adapter = {}

local made

--- Returns an object that copas takes for a socket.
---@param fd integer
---@return table
local function pseudo_socket(fd)
  local socket = { fd = fd }
  local function once(self)
    if self.asked then
      self.asked = nil
      return 'ready'
    end
    self.asked = true
    return nil, 'timeout', 0
  end
  socket.receive, socket.send = once, once
  function socket:getfd()
    return self.fd
  end
  --- Makes `select` return it at once.
  function socket:dirty()
    return self.woken == true
  end
  function socket:settimeout() end
  --- Does nothing: copas closes the sockets of threads that have ended, but descriptors belong to their connections.
  function socket:close() end
  return socket
end

--- Waits for an entry, which has one direction.
---@param copas table
---@param entry jet.loop.Entry
---@return boolean readable
---@return boolean writable
local function wait(copas, entry)
  local socket, reading = pseudo_socket(entry.fd), entry.interest == 'r'
  entry.socket = socket
  if reading then
    copas.receive(socket, 1)
  else
    copas.send(socket, '')
  end
  entry.socket = nil
  local ready = not socket.woken
  return ready and reading, ready and not reading
end

--- Returns the adapter; copas has one loop for the process.
---@param copas table|nil nil for `require 'copas'`
---@return jet.Adapter
function adapter.new(copas)
  copas = copas or require 'copas'
  if made then
    return made
  end
  -- A descriptor that stays open, for sockets that must wake up after their own was closed.
  local anchor = core.timerfd(0)

  local under_way = runs.new()

  local registry = threads.new(function(serve, entry)
    copas.addthread(function()
      serve(entry)
    end)
  end, function(entry)
    return wait(copas, entry)
  end, function(entry)
    if entry.socket then
      entry.socket.fd, entry.socket.woken = anchor:fd(), true
    end
  end, under_way)

  ---@type jet.Adapter
  local self = { name = 'copas', stop = under_way.stop }

  -- Reading and writing wait in two threads.
  function self.watch(fd, interest, callback)
    local read = interest == 'r' or interest == 'rw'
    local write = interest == 'w' or interest == 'rw'
    registry.watch(fd, read and 'r' or nil, callback)
    registry.watch(fd, write and 'w' or nil, callback, 'write ' .. fd)
  end

  function self.after(seconds, callback)
    local timer = core.timerfd(seconds)
    local function cancel()
      if timer then
        registry.watch(timer:fd(), nil)
        timer:close()
        timer = nil
      end
    end
    registry.watch(timer:fd(), 'r', function()
      cancel()
      callback()
    end)
    return cancel
  end

  -- Ends when no descriptor of a peer is left: other threads of copas are left to `copas.loop`.
  function self.run()
    registry.replace_busy()
    under_way.run(copas.step, function()
      return registry.count() > 0
    end)
  end

  made = self
  return self
end

return adapter
