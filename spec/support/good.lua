--- Programs that have to end well. What they share with each other is in front of each.

local assert = require 'luassert'
local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'

-- The beginning of every program.
local HEAD = [[
  local port = tonumber((...))
  local unpack = table.unpack or unpack
  local function gc_proxy(f)
    if newproxy then
      local proxy = newproxy(true)
      getmetatable(proxy).__gc = f
      return proxy
    end
    return setmetatable({}, { __gc = f })
  end
  -- Collects without end what can be collected.
  local function collect() for _ = 1, 3 do collectgarbage() end end
]]

--- Runs a program in a process of its own, which has to print 'good' and to end with that status. Only one that raises
-- prints more: what it raised.
---@param code string
---@param status? integer
---@param port? integer what it finds in `port`, default that of the shared daemon
local function good(code, status, port)
  local got, output = child.run(HEAD .. code, port or jetd.shared().port)
  if status == 1 then
    output = output:gsub('^good.*at the end.*', 'good')
  end
  assert.are.equal((status or 0) .. ': good', got .. ': ' .. output:gsub('%s+$', ''))
end

return good
