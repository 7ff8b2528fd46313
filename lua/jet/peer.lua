--- `jet.peer`: a program's connection to a Jet bus.

require 'jet.built_for'
local check = require 'jet.check'
local config = require 'jet.config'
local core = require 'jet.core'
local Driver = require 'jet.driver'
local loops = require 'jet.loop'
local Peer = require 'jet.async'
local sync = require 'jet.sync'

---@class jet.peer.module
local module = {
  null = core.null,
  array = core.array,
}

--- Makes a peer and begins to connect to the daemon. The peer can be used at once: requests are sent when the
-- connection is open.
---@param given? jet.Config
---@return jet.Peer
function module.new(given)
  check.no_self(module, given, 'config', 'peer.new {...}')
  check.type(given or nil, 'table|string|nil', 'config', 'new')
  -- The earlier module accepted a string as an empty table.
  local all = type(given) == 'table' and given or {}
  given = config.given(all, core.option_names.peer)
  given.tls = config.inherited(given.tls, core.option_names.tls)
  given.daemon_limits = config.inherited(given.daemon_limits, core.option_names.daemon_limits)
  local name, message
  if given.name ~= nil then
    name, message = core.encode(given.name, 'config.name')
  end
  local engine
  if not message then
    engine, message = core.peer(given, name)
  end
  if not engine then
    check.fail(message)
  end
  config.warn(all, given)
  if given.sync then
    return sync.new(engine, given)
  end
  local adapter
  adapter, message = loops.resolve(given.loop)
  if not adapter then
    check.fail(message)
  end
  local driver = Driver.new(engine, adapter, given)
  local peer = setmetatable({ _driver = driver }, Peer)
  driver.peer = peer
  driver:start()
  return peer
end

return module
