--- The workloads of `make bench` on our peer: `worker.lua owner PORT` and
-- `worker.lua client PORT SECONDS WORKLOAD`. worker.mjs does the same with node-jet.
--
-- A client prints a line after its warm-up, and `{"count":…,"seconds":…}` at the end; it continues until it is
-- killed. Workloads with several outstanding operations keep WINDOW of them: each that ends starts the next.

local jet = require 'jet'
local core = require 'jet.core'
local loop = require('jet.loop').resolve('builtin')

local WINDOW = 100
local WARM_UP = 0.5

local role, port, seconds, workload = arg[1], tonumber(arg[2]), tonumber(arg[3]), arg[4]
local count = 0

---@param err any
local function failed(err)
  io.stderr:write('worker: ', type(err) == 'table' and tostring(err.message) or tostring(err), '\n')
  os.exit(1)
end

---@param on_connect fun(peer: jet.Peer)
---@return jet.Peer
local function connect(on_connect)
  return jet.new { port = port, loop = loop, on_connect = on_connect, log = failed }
end

---@param line string
local function say(line)
  io.stdout:write(line, '\n')
  io.stdout:flush()
end

--- Counts operations from the end of the warm-up on, and prints the result.
local function measure()
  loop.after(WARM_UP, function()
    say('warm')
    local first, begun = count, core.now()
    loop.after(seconds, function()
      say(('{"count":%d,"seconds":%.9f}'):format(count - first, core.now() - begun))
    end)
  end)
end

local roles = {}

function roles.owner()
  connect(function(peer)
    peer:state({ path = 'bench/state', value = 0, set = function() end }, { error = failed })
    peer:method({ path = 'bench/echo', call = function() end }, {
      success = function() say('ready') end,
      error = failed,
    })
  end)
end

--- Connects and does nothing else.
function roles.idle()
  connect(function() say('ready') end)
end

local workloads = {}

--- Calls a method, one call after the other.
function workloads.sequential(peer, window)
  for _ = 1, window or 1 do
    local args, callbacks = { 42 }, { error = failed }
    function callbacks.success()
      count = count + 1
      peer:call('bench/echo', args, callbacks)
    end
    peer:call('bench/echo', args, callbacks)
  end
end

function workloads.calls(peer)
  workloads.sequential(peer, WINDOW)
end

function workloads.sets(peer)
  for _ = 1, WINDOW do
    local callbacks = { error = failed }
    function callbacks.success()
      count = count + 1
      peer:set('bench/state', count, callbacks)
    end
    peer:set('bench/state', count, callbacks)
  end
end

--- Changes states of one connection that another one fetches: each notification triggers the next change of its state.
function workloads.notifications(fetching)
  connect(function(owning)
    local states = {}
    fetching:fetch({ path = { startsWith = 'bench/tick/' } }, function(path, event)
      if event == 'change' then
        count = count + 1
      end
      states[path]:value(count)
    end, {
      success = function()
        for i = 1, WINDOW do
          local path = 'bench/tick/' .. i
          states[path] = owning:state({ path = path, value = -1 }, { error = failed })
        end
      end,
      error = failed,
    })
  end)
end

--- Adds a state and removes it once that is confirmed; both together count as one operation.
function workloads.add_remove(peer)
  for i = 1, WINDOW do
    local state
    local removed = { error = failed }
    local added = {
      error = failed,
      success = function() state:remove(removed) end,
    }
    function removed.success()
      count = count + 1
      state:add(count, added)
    end
    state = peer:state({ path = 'bench/brief/' .. i, value = 0 }, added)
  end
end

function roles.client()
  connect(function(peer)
    workloads[workload](peer)
    measure()
  end)
end

roles[role]()
loop.run()
