--- A thread for each descriptor and direction, for the adapters of coroutine schedulers.
--
-- A thread does not wait while it is inside a callback. If that callback runs a nested loop, a second thread replaces the
-- first one, which ends when the callback returns.

local builtin = require 'jet.loop.builtin'

local threads = {}

---@class jet.loop.Entry
---@field fd integer
---@field interest string|nil nil once the descriptor is not watched any more
---@field callback fun(readable: boolean, writable: boolean)
---@field round integer the number of the current thread; earlier ones end
---@field inside integer number of active callbacks

-- In plain Lua 5.1 a thread cannot yield across pcall, which callbacks run in.
threads.CAN_YIELD = _VERSION ~= 'Lua 5.1' or rawget(_G, 'jit') ~= nil

--- Returns the function that a thread runs: it waits for an entry and calls back while its round is the current one.
---@param spawn fun(f: fun(entry: jet.loop.Entry), entry: jet.loop.Entry)
---@param wait fun(entry: jet.loop.Entry): boolean, boolean
---@param under_way jet.loop.Runs
---@return fun(entry: jet.loop.Entry)
local function make_serve(spawn, wait, under_way)
  local serve

  --- Calls back. The library reports an error, but its thread ends, so another one replaces it.
  local function call(entry, round, readable, writable)
    entry.inside = entry.inside + 1
    local ok, raised = pcall(under_way.call, entry.callback, readable, writable)
    entry.inside = entry.inside - 1
    if ok then
      return
    end
    if entry.interest and entry.round == round then
      entry.round = round + 1
      spawn(serve, entry)
    end
    error(raised, 0)
  end

  function serve(entry)
    local round = entry.round
    while entry.interest and entry.round == round do
      local readable, writable = wait(entry)
      if entry.interest and entry.round == round and (readable or writable) then
        call(entry, round, readable, writable)
      end
    end
  end

  return serve
end

--- Makes the registry of a scheduler.
---@param spawn fun(f: fun(entry: jet.loop.Entry), entry: jet.loop.Entry) starts a thread
---@param wait fun(entry: jet.loop.Entry): boolean, boolean waits until it is readable or writable, or changed
---@param changed fun(entry: jet.loop.Entry) wakes the thread that waits for an entry
---@param under_way jet.loop.Runs
---@return table registry with `watch`, `count` and `replace_busy`
function threads.new(spawn, wait, changed, under_way)
  local watched, count = {}, 0
  local serve = make_serve(spawn, wait, under_way)
  local registry = {}

  --- Watches a descriptor, as `jet.Adapter.watch`.
  ---@param key? any the key of the entry, default its descriptor
  function registry.watch(fd, interest, callback, key)
    key = key or fd
    local entry = watched[key]
    if not entry and interest then
      count = count + 1
      entry = { fd = fd, interest = interest, callback = callback, round = 1, inside = 0 }
      watched[key] = entry
      spawn(serve, entry)
    elseif entry then
      entry.callback = callback or entry.callback
      if entry.interest ~= interest then
        entry.interest = interest
        changed(entry)
      end
      if not interest then
        count = count - 1
        watched[key] = nil
      end
    end
  end

  --- Returns how many descriptors are watched.
  ---@return integer
  function registry.count()
    return count
  end

  --- Waits for one of the descriptors without the scheduler and calls back: the nested loop of a thread that cannot
  -- yield.
  function registry.step()
    local own = builtin.new()
    for _, entry in pairs(watched) do
      own.watch(entry.fd, entry.interest, entry.callback)
    end
    own.step(0.05)
  end

  --- Starts new threads for the descriptors whose callbacks are active.
  function registry.replace_busy()
    for _, entry in pairs(watched) do
      if entry.inside > 0 then
        entry.round = entry.round + 1
        spawn(serve, entry)
      end
    end
  end

  return registry
end

return threads
