--- Programs that run on one of the event loops, each in a process of its own.

local assert = require 'luassert'
local child = require 'spec.support.child'

local adapters = {}

--- The loops, and the library each needs.
---@type {name: string, library: string|nil}[]
adapters.ALL = {
  { name = 'builtin' },
  { name = 'ev' },
  { name = 'luv', library = 'luv' },
  { name = 'copas', library = 'copas' },
  { name = 'cqueues', library = 'cqueues' },
}

-- The beginning of every program. `jet.ev` stands in for lua-ev.
local HEAD = [[
  local name = ...
  if name == 'ev' then
    package.loaded.ev = require 'jet.ev'
  end
  local loops = require 'jet.loop'
  local socket = require 'socket'
  local adapter = assert(loops.resolve(name))
  local function pair()
    local server = assert(socket.bind('127.0.0.1', 0))
    local client = assert(socket.connect('127.0.0.1', (select(2, server:getsockname()))))
    local other = assert(server:accept())
    server:close()
    client:settimeout(0)
    other:settimeout(0)
    return client, other
  end
  local function process_id()
    local stat = assert(io.open '/proc/self/stat')
    local id = stat:read '*n'
    stat:close()
    return ('%d'):format(id)
  end
  local function collect()
    collectgarbage()
    collectgarbage()
  end
]]

--- Runs a program on a loop; it has to end well.
---@param name string of the loop
---@param code string gets the name and `...`; has `adapter`, `pair`, `process_id`, `collect`
---@param ... any
---@return string output
function adapters.run(name, code, ...)
  local status, output = child.run(HEAD .. code, name, ...)
  assert.are.equal(0, status, output)
  return output
end

--- Why a loop cannot be tested here; nil if it can.
---@param candidate table of `ALL`
---@return string|nil
function adapters.missing(candidate)
  if candidate.library and not pcall(require, candidate.library) then
    return 'skipped: library ' .. candidate.library .. ' is missing for this Lua'
  end
end

return adapters
