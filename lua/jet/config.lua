--- The table `peer.new` takes: its keys, their defaults, and what the engine makes of them.

local check = require 'jet.check'
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
---@field name? any how the daemon shows this peer in its logs
---@field user? string logs in on connect, which fails if the daemon refuses it
---@field password? string goes with `user`
---@field encoding? 'msgpack' what messages are written in; JSON where the daemon does not know it
---@field loop? any an event loop, see `jet.loop`; default lua-ev's, or the built-in one
---@field on_connect? fun(peer: jet.Peer) the peer can be used
---@field on_close? fun(peer: jet.Peer, reason: string, err?: table) the connection is gone; `err` if a login failed
---@field sync? boolean makes a peer that blocks instead of calling back
---@field timeout? number seconds a `sync` peer waits for an answer at most
---@field log? false|fun(text: string) gets warnings and failures that no callback gets; default standard error, false for nowhere
---@field event_first? boolean fetch callbacks get `(event, path, value, fetcher)`
---@field invalid_utf8? string 'latin1' (default) or 'error'
---@field max_message? integer bytes of one message, default 10000000
---@field daemon_limits? jet.DaemonLimits what the daemon takes, where it is known to take less
---@field max_depth? integer nesting of values, default 1000
---@field max_unsent? integer bytes that may wait to be sent
---@field max_requests? integer requests that may wait for an answer
---@field connect_timeout? number seconds for the name, every address and all handshakes, default 10

--- What the daemon takes. What exceeds it is refused here instead of ending the connection.
---@class jet.DaemonLimits
---@field message? integer bytes of one message: 512 on a cjet as it is delivered

--- Whom to trust. Without `ca_file` and `pins` the system's authorities.
---@class jet.TlsConfig
---@field ca_file? string PEM file with the authorities to trust instead
---@field pins? string|string[] SHA-256 fingerprints: the daemon's certificate must be one of these
---@field certificate? string PEM file with the own certificate, for daemons that ask for one
---@field key? string PEM file with its key
---@field server_name? string the name the daemon's certificate must be for, default the host

config.KEYS = {
  ip = 'string',
  port = 'number|string',
  url = 'string',
  unix = 'string',
  headers = 'table',
  tls = 'boolean|table',
  name = true,
  user = 'string',
  password = 'string',
  encoding = true,
  loop = true,
  on_connect = 'function',
  on_close = 'function',
  sync = true,
  timeout = 'number',
  log = 'function',
  event_first = true,
  invalid_utf8 = 'string',
  max_message = 'number',
  daemon_limits = 'table',
  max_depth = 'number',
  max_unsent = 'number',
  max_requests = 'number',
  connect_timeout = 'number',
}

--- Copies the known keys of a table of options. Programs write `cond and value`, so false stands for a key that is
-- not given, except where the documentation gives it a meaning.
---@param given table
---@param known table<string, any> the known keys
---@param off table<string, boolean> the keys where false means 'off'
---@return table
function config.options(given, known, off)
  local options = {}
  for key in pairs(known) do
    local value = given[key]
    if value ~= false or off[key] then
      options[key] = value
    end
  end
  return options
end

--- The keys where false means 'off' and not 'not given'.
config.OFF = { log = true }

--- Checks the type of each key.
---@param given table
local function check_types(given)
  for key, expected in pairs(config.KEYS) do
    local value = given[key]
    if expected == 'function' then
      check.callback(given, key, 'config', 'new')
    elseif expected ~= true and value ~= nil then
      check.type(value, expected, 'config.' .. key, 'new')
    end
  end
end

-- The longest host name that DNS can carry.
local MAX_HOST = 253

--- The port as a number.
---@param port any
---@return integer
local function port_number(port)
  local number = tonumber(port)
  if not number or number < 1 or number > 65535 or number % 1 ~= 0 then
    local message = "bad argument 'config.port' to 'new' (1 to 65535 expected, got '%s')"
    check.fail(message:format(tostring(port)))
  end
  return number
end

config.DAEMON_LIMITS = { message = 'number' }

config.TLS_KEYS = {
  ca_file = 'string',
  pins = 'string|table',
  certificate = 'string',
  key = 'string',
  server_name = 'string',
}

--- The headers as a list of names and values in turn, in the order of the names.
---@param headers table<string, string>|nil
---@return string[]|nil
local function header_list(headers)
  if headers == nil then
    return nil
  end
  local names = {}
  for name, value in pairs(headers) do
    check.type(name, 'string', 'config.headers', 'new')
    check.type(value, 'string|number', 'config.headers.' .. name, 'new')
    names[#names + 1] = name
  end
  table.sort(names)
  local list = {}
  for _, name in ipairs(names) do
    list[#list + 1] = name
    list[#list + 1] = tostring(headers[name])
  end
  return list
end

--- The options of TLS, checked. An unknown key is refused: it might be the one that protects.
---@param tls boolean|jet.TlsConfig|nil
---@return table|nil
local function tls_options(tls)
  if not tls then
    return nil
  end
  local given = tls == true and {} or tls
  local unknown = check.unknown_keys(given, config.TLS_KEYS, 'key')
  if unknown[1] then
    check.fail(("bad argument 'config.tls' to 'new' (%s)"):format(unknown[1]))
  end
  local options = {}
  for key, expected in pairs(config.TLS_KEYS) do
    check.type(given[key], expected .. '|nil', 'config.tls.' .. key, 'new')
    options[key] = given[key]
  end
  if type(options.pins) == 'string' then
    options.pins = { options.pins }
  end
  for _, pin in ipairs(options.pins or {}) do
    check.type(pin, 'string', 'config.tls.pins', 'new')
  end
  return options
end

--- The limits of the daemon, checked. An unknown key is refused: it would limit nothing.
---@param limits jet.DaemonLimits|nil
---@return table
local function daemon_limits(limits)
  limits = limits or {}
  local unknown = check.unknown_keys(limits, config.DAEMON_LIMITS, 'key')
  if unknown[1] then
    check.fail(("bad argument 'config.daemon_limits' to 'new' (%s)"):format(unknown[1]))
  end
  check.type(limits.message, 'number|nil', 'config.daemon_limits.message', 'new')
  return limits
end

--- Checks who logs in. What is wrong is told without the password.
---@param given table
local function check_login(given)
  local message
  if given.user == '' then
    message = "bad argument 'config.user' to 'new' (name of a user expected, got '')"
  elseif given.user and not given.password then
    message = "bad argument 'config.password' to 'new' (string expected beside user, got no value)"
  elseif given.password and not given.user then
    message = "bad argument 'config.user' to 'new' (string expected beside password, got no value)"
  end
  if message then
    check.fail(message)
  end
end

--- Refuses what no name or address can be. The engine refuses other names that cannot be looked up.
---@param ip string|nil
local function check_host(ip)
  if ip == nil then
    return
  end
  local problem
  if ip == '' then
    problem = "host name or address expected, got ''"
  elseif #ip > MAX_HOST then
    problem = ('%d bytes are no host name, it has at most %d'):format(#ip, MAX_HOST)
  elseif ip:find '[%s%c\128-\255]' then
    problem = ("'%s' is no host name"):format(ip:gsub('[%c\128-\255]', function(char)
      return ('\\%d'):format(char:byte())
    end))
  end
  if problem then
    check.fail(("bad argument 'config.ip' to 'new' (%s)"):format(problem))
  end
end

--- Refuses two targets that contradict each other. Programs for the earlier module give `ip` and `port` beside a
-- WebSocket `url`, which then counts alone; see `config.warn`.
---@param given table
local function check_target(given)
  local target = given.url and 'url' or given.unix and 'unix'
  local others = {}
  if target == 'url' and not given.url:find '^wss?:' then
    others = { 'unix', 'ip', 'port' }
  elseif target == 'url' then
    others = { 'unix' }
  elseif target == 'unix' then
    others = { 'ip', 'port' }
  end
  for _, other in ipairs(others) do
    if given[other] ~= nil then
      local message = "bad argument 'config.%s' to 'new' (contradicts config.%s: one target expected)"
      check.fail(message:format(other, target))
    end
  end
end

--- Checks what the program gave and translates it for the engine.
---@param given table from `config.options`
---@return table options for `core.peer`
function config.engine_options(given)
  check_types(given)
  check_target(given)
  check_login(given)
  local name
  if given.name ~= nil then
    local message
    name, message = core.encode(given.name, 'config.name')
    if not name then
      check.fail(message)
    end
  end
  check_host(given.ip)
  return {
    host = given.ip or '127.0.0.1',
    port = port_number(given.port or 11122),
    url = given.url,
    unix = given.unix,
    headers = header_list(given.headers),
    tls = tls_options(given.tls),
    name = name,
    user = given.user,
    password = given.password,
    encoding = given.encoding,
    invalid_utf8 = given.invalid_utf8,
    max_message = given.max_message,
    ['daemon_limits.message'] = daemon_limits(given.daemon_limits).message,
    max_depth = given.max_depth,
    max_unsent = given.max_unsent,
    max_requests = given.max_requests,
    connect_timeout = given.connect_timeout,
  }
end

--- Warns of keys that have no effect.
---@param all table what the program gave
---@param given table its known keys, from `config.options`
function config.warn(all, given)
  local warnings = check.unknown_keys(all, config.KEYS, 'config key')
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
