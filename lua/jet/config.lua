--- The tables of options that `peer.new` and `daemon.new` take: keys that are not given, and unknown keys.
--
-- The options are declared in `jet.core` (`src/lua/options/`), which checks their values. The classes here document
-- them for programs.

local core = require 'jet.core'
local protected = require 'jet.protected_call'

local config = {}

---@class jet.Config
---@field ip? string name or address of the daemon, default '127.0.0.1'
---@field port? integer|string default 11122
---@field url? string instead of ip and port: ws://host:port/path, wss://, tcp://host:port, unix:/path, unix:@name
---@field unix? string path of a Unix domain socket, or '@name' of an abstract one, instead of ip and port
---@field headers? table<string, string> further headers of a WebSocket's upgrade request
---@field tls? boolean|jet.TlsConfig encrypts the connection
---@field name? any the name of this peer in the logs of the daemon
---@field user? string logs in on connect; the connection fails if the daemon refuses it
---@field password? string the password of `user`
---@field encoding? 'msgpack' the encoding of messages; JSON if the daemon does not know it
---@field loop? any an event loop, see `jet.loop`; default lua-ev's, or the built-in one
---@field on_connect? fun(peer: jet.Peer) called when the peer is connected
---@field on_close? fun(peer: jet.Peer, reason: string, err?: table) called when the connection has ended; `err` if a login failed
---@field sync? boolean makes a peer that blocks instead of calling back
---@field timeout? number seconds that a `sync` peer waits for a response at most
---@field log? false|fun(text: string) gets warnings, and failures that no callback gets; default standard error, false drops them
---@field event_first? boolean fetch callbacks get `(event, path, value, fetcher)`
---@field invalid_utf8? string 'latin1' (default) or 'error'
---@field max_message? integer bytes of one message, default 10000000
---@field daemon_limits? jet.DaemonLimits limits of the daemon, if they are known to be smaller
---@field max_depth? integer nesting of values, default 1000
---@field max_unsent? integer bytes that may wait to be sent
---@field max_requests? integer requests that may wait for a response
---@field connect_timeout? number seconds for the look-up of the name, every address and all handshakes, default 10

--- Limits of the daemon. Larger messages are refused by this peer instead of ending the connection.
---@class jet.DaemonLimits
---@field message? integer bytes of one message: 512 for cjet with its default configuration

--- Options of TLS. Without `ca_file` and `pins` the authorities of the system are trusted.
---@class jet.TlsConfig
---@field ca_file? string PEM file with the authorities to trust instead
---@field pins? string|string[] SHA-256 fingerprints: the daemon's certificate must be one of these
---@field certificate? string PEM file with the certificate of this peer, for daemons that ask for one
---@field key? string PEM file with its key
---@field server_name? string the name that the daemon's certificate must be for, default the host

--- The options where false means 'off' and not 'not given'.
local OFF = { log = true }

--- Copies the known options of a table. Programs write `cond and value`, so false stands for an option that is not
-- given, except where the documentation gives it a meaning.
---@param all table what the program gave
---@param names string[] the known options
---@return table
function config.given(all, names)
  local given = {}
  for _, name in ipairs(names) do
    local value = all[name]
    if value ~= false or OFF[name] then
      given[name] = value
    end
  end
  return given
end

--- Copies a table of options together with those that it inherits by `__index`: the engine reads tables without
-- metamethods. Any other value is returned as it is.
---@param given any what the program gave
---@param names string[] the options that may be inherited
---@return any
function config.inherited(given, names)
  if type(given) ~= 'table' then
    return given
  end
  local copy = {}
  for key, value in next, given do
    copy[key] = value
  end
  for _, name in ipairs(names) do
    copy[name] = given[name]
  end
  return copy
end

--- Reports the options of a peer that have no effect.
---@param all table what the program gave
---@param given table its known options
function config.warn(all, given)
  local warnings = core.unknown_keys(all, core.option_names.peer, 'config key')
  for _, key in ipairs { 'ip', 'port' } do
    if given.url and given[key] ~= nil then
      warnings[#warnings + 1] = ("config key '%s' is ignored beside 'url'"):format(key)
    end
  end
  for _, warning in ipairs(warnings) do
    protected.report(all.log, warning)
  end
end

return config
