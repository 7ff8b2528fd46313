--- `ev.IO`: watchers of descriptors. A descriptor may have several.

local check = require 'jet.check'
local Watcher = require 'jet.ev.watcher'

local READ, WRITE = 0x01, 0x02

---@class jet.ev.IO: jet.ev.Watcher
local IO = Watcher.class()

--- Makes a watcher of a descriptor.
---@param callback fun(loop: jet.ev.Loop, io: jet.ev.IO, revents: integer)
---@param fd integer
---@param revents integer READ, WRITE or their sum
---@return jet.ev.IO
function IO.new(callback, fd, revents)
  check.type(callback, 'function', 'on_io', 'IO.new')
  check.type(fd, 'number', 'fd', 'IO.new')
  if fd < 0 or fd % 1 ~= 0 then
    check.fail("bad argument 'fd' to 'IO.new' (descriptor expected, got " .. fd .. ')')
  end
  check.type(revents, 'number', 'revents', 'IO.new')
  if revents ~= READ and revents ~= WRITE and revents ~= READ + WRITE then
    check.fail("bad argument 'revents' to 'IO.new' (READ, WRITE or both expected)")
  end
  return Watcher.object({ _callback = callback, _fd = fd, _revents = revents }, IO)
end

--- Returns the descriptor.
---@return integer
function IO:getfd()
  Watcher._check(self, 'getfd')
  return self._fd
end

--- Returns the directions that the active watchers of a descriptor watch.
---@param list jet.ev.IO[]
---@return string|nil interest
local function interest(list)
  local read, write
  for _, watcher in ipairs(list) do
    read = read or watcher._revents ~= WRITE
    write = write or watcher._revents ~= READ
  end
  return read and write and 'rw' or read and 'r' or write and 'w' or nil
end

--- Calls the watchers of a descriptor that is ready.
---@param loop jet.ev.Loop
---@param list jet.ev.IO[]
---@param readable boolean
---@param writable boolean
local function tell(loop, list, readable, writable)
  local copy = {}
  for position, watcher in ipairs(list) do
    copy[position] = watcher
  end
  for _, watcher in ipairs(copy) do
    local revents = 0
    if readable and watcher._revents ~= WRITE then
      revents = READ
    end
    if writable and watcher._revents ~= READ then
      revents = revents + WRITE
    end
    if revents ~= 0 and watcher._loop == loop then
      watcher:_call(loop, revents)
    end
  end
end

--- Stops the watchers of a descriptor that was closed, and calls them, like libev: the next read or write reports the
-- error.
---@param loop jet.ev.Loop
---@param fd integer
function IO.lose(loop, fd)
  local copy = {}
  for position, watcher in ipairs(loop._io and loop._io[fd] or {}) do
    copy[position] = watcher
  end
  for _, watcher in ipairs(copy) do
    watcher:stop(loop)
  end
  for _, watcher in ipairs(copy) do
    watcher:_call(loop, watcher._revents)
  end
end

--- Makes the loop watch a descriptor for its active watchers.
---@param loop jet.ev.Loop
---@param fd integer
local function rewatch(loop, fd)
  local list
  local function on_ready(readable, writable)
    tell(loop, list, readable, writable)
  end
  -- From here on nothing allocates memory, so no finalizer changes the list.
  list = loop._io[fd]
  if not list then
    return
  end
  loop._adapter.watch(fd, interest(list), on_ready)
  if #list == 0 then
    loop._io[fd] = nil
    loop._registered = loop._registered - 1
  end
end

function IO:_activate(loop)
  loop._io = loop._io or {}
  local list = loop._io[self._fd]
  if not list then
    list = {}
    loop._io[self._fd] = list
    loop._registered = loop._registered + 1
  end
  list[#list + 1] = self
  rewatch(loop, self._fd)
end

function IO:_deactivate(loop)
  local list = loop._io[self._fd]
  for position, watcher in ipairs(list or {}) do
    if watcher == self then
      table.remove(list, position)
      break
    end
  end
  rewatch(loop, self._fd)
end

return IO
