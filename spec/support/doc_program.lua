--- Runs one example of the documentation: `lua doc_program.lua FILE LINES PORT`.
--
-- An example is a program. It may use `jet` and a connected `pi` without making them, as docs/api.md says; then the
-- loop of `pi` runs behind it until the example has printed as many lines as the documentation shows. A peer or
-- daemon that names no port, or the default one, gets a port of the specs.

local file, lines, port = arg[1], tonumber(arg[2]), tonumber(arg[3])
local jet = require 'jet'
local loops = require 'jet.loop'

-- Seconds an example may take, and seconds to wait for lines that the documentation does not show.
local PATIENCE, REST = 10, 0.02

local DEFAULT_PORT = 11122

--- Copies options that have no port of their own, and gives them one.
local function with_port(options, replacement)
  local copy = {}
  for key, value in pairs(options or {}) do
    copy[key] = value
  end
  if not (copy.url or copy.unix) and (copy.port == nil or copy.port == DEFAULT_PORT) then
    copy.port = replacement
  end
  return copy
end

local new_peer = jet.peer.new
jet.new = function(config)
  return new_peer(with_port(config, port))
end
jet.peer.new = jet.new

local new_daemon = jet.daemon.new
jet.daemon.new = function(options)
  local daemon = new_daemon(with_port(options, 0))
  local start = daemon.start
  daemon.start = function()
    start()
    port = daemon.port()
  end
  return daemon
end

local pi
local printed, settled = 0, false

--- Closes `pi` when the example has done its work.
local function review()
  if pi and settled and printed >= lines then
    settled = false
    loops.resolve().after(REST, function()
      pi:close()
    end)
  end
end

local print_line = print
function print(...) -- luacheck: ignore 121
  print_line(...)
  printed = printed + 1
  review()
end

setmetatable(_G, {
  __index = function(_, name)
    if name == 'jet' then
      return jet
    elseif name == 'pi' then
      pi = pi or jet.peer.new {}
      return pi
    end
  end,
})

io.stdout:setvbuf 'line'
local source = assert(io.open(file))
local code = source:read '*a'
source:close()
assert((loadstring or load)(code, '=example'))()
if pi then
  pi:config({}, {
    success = function()
      settled = true
      review()
    end,
  })
  local cancel = loops.resolve().after(PATIENCE, function()
    print_line 'the example does not end'
    pi:close()
  end)
  pi:loop()
  cancel()
end
