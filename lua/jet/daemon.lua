--- The daemon in a Lua program: `require 'jet.daemon'.new{...}`, then `start` and `stop`.
--
-- It serves from a thread of its own (`jet.core`), so peers are answered while Lua is busy. What
-- lives here: checking the options, and handing its log to the program's functions when the
-- loop runs. While the daemon runs it keeps the loop running.

require 'jet.built_for'
local accounts = require 'jet.accounts'
local check = require 'jet.check'
local config = require 'jet.config'
local core = require 'jet.core'
local protected = require 'jet.protected_call'
local loops = require 'jet.loop'

local daemon = {}

---@class jet.DaemonOptions
---@field port? integer|string TCP port, default 11122; 0 chooses a free one
---@field ws_port? integer|string WebSocket port; none by default
---@field all_ports? boolean `start` raises where the WebSocket port is taken, instead of going on without
---@field unix? string|string[] Unix domain sockets: paths, or abstract names behind a leading '@'
---@field unix_mode? integer|string permissions of the files of Unix sockets in octal digits, default '0660'
---@field tls? jet.DaemonTls encrypts the ports
---@field allow_origin? string|string[] origins of Web pages that may open a WebSocket beside those of the same host; '*' for all
---@field allow_host? string|string[] host names by which WebSockets may address the daemon beside addresses and 'localhost'
---@field users? table<string, jet.User> who may log in, by name; without users nobody has to, and `access` protects nothing
---@field users_file? string instead of `users`: a file as `jetd passwd` writes it; passwords that peers change are written there
---@field interface? string address or name to listen on; all interfaces by default
---@field loop? any an event loop as for `jet.peer`; it delivers the log
---@field log? false|fun(...) gets what `info` and `crit` would, if not given; without all three, stderr gets what matters; false: nothing does
---@field info? fun(...) somebody did something odd
---@field crit? fun(...) something was given up
---@field debug? fun(name: string, direction: '->'|'<-', json: string) messages of peers with `config{debug = true}`
---@field timeout? number seconds an owner has to answer, default 5
---@field simple_fetch? boolean gives each peer one fetch of everything, as node-jet's "simple" fetch mode does
---@field max_message? integer bytes of one message, default 10000000
---@field max_depth? integer nesting of values, default 1000
---@field max_unsent? integer bytes that may wait for one peer, default 256 MiB
---@field max_fetches? integer fetches of one peer, default 100000; a pattern counts as 100, a value rule as 10
---@field max_requests? integer requests of one peer that may wait for an answer, default 1000000

--- PEM files. Without `port` and `ws_port` here, those of the daemon are encrypted; else these are, beside
--- the plain ones. Unix sockets never are.
---@class jet.DaemonTls
---@field certificate string the daemon's certificate with its intermediates
---@field key string its key
---@field client_ca? string the authorities that sign the certificates peers have to show
---@field port? integer|string TCP port for TLS
---@field ws_port? integer|string WebSocket port for TLS

---@class jet.Daemon
---@field start fun() listens and serves; raises if the address is in use, the users cannot be read, or the daemon runs already
---@field stop fun() ends all connections; raises unless the daemon runs
---@field reread fun() reads the users file, certificates and keys again, as far as there are some, and logs what came of it; raises unless the daemon runs
---@field port fun(): integer|nil the TCP port it listens on, nil unless it runs

local DEFAULT_PORT = 11122

--- The options and their types. `print` was an option once and means nothing.
local OPTIONS = {
  port = 'number|string',
  ws_port = 'number|string',
  all_ports = 'boolean',
  unix = 'string|table',
  unix_mode = 'number|string',
  tls = 'table',
  allow_origin = 'string|table',
  allow_host = 'string|table',
  users = 'table',
  users_file = 'string',
  interface = 'string',
  loop = true,
  log = 'function',
  info = 'function',
  crit = 'function',
  debug = 'function',
  print = true,
  timeout = 'number',
  simple_fetch = 'boolean',
  max_message = 'number',
  max_depth = 'number',
  max_unsent = 'number',
  max_fetches = 'number',
  max_requests = 'number',
}

--- The options where false means 'off' and not 'not given'.
local OFF = { log = true }

local TLS_OPTIONS = {
  certificate = 'string',
  key = 'string',
  client_ca = 'string|nil',
  port = 'number|string|nil',
  ws_port = 'number|string|nil',
}

local LIMITS = { 'max_message', 'max_depth', 'max_unsent', 'max_fetches', 'max_requests' }

--- Raises at the line that called `new`.
---@param option string
---@param expected string
---@param got any
local function refuse(option, expected, got)
  local message = ("bad argument 'options.%s' to 'new' (%s expected, got %s)"):format(option, expected, tostring(got))
  check.fail(message)
end

--- A port as a number.
---@param options table
---@param option string
---@param default? integer
---@param prefix? string what the error puts before the option, default ''
---@return integer|nil
local function port_number(options, option, default, prefix)
  local given = options[option]
  if given == nil then
    return default
  end
  local number = tonumber(given)
  if not number or number < 0 or number > 65535 or number % 1 ~= 0 then
    refuse((prefix or '') .. option, '0 to 65535', "'" .. tostring(given) .. "'")
  end
  return math.floor(number)
end

--- An option that is a string or a list of strings as a list.
---@param options table
---@param option string
---@return string[]|nil
local function string_list(options, option)
  local given = options[option]
  if type(given) ~= 'table' then
    return given and { given }
  end
  for index, text in ipairs(given) do
    check.type(text, 'string', ('options.%s[%d]'):format(option, index), 'new')
  end
  return given
end

--- The permissions of a file, written in octal digits as a string or a number: `'0660'`, `660`.
---@param given integer|string|nil
---@return integer|nil
local function file_mode(given)
  if given == nil then
    return nil
  end
  local digits = tostring(given):match '^0?([0-7][0-7][0-7])$'
  return digits and tonumber(digits, 8) or refuse('unix_mode', 'three octal digits', "'" .. tostring(given) .. "'")
end

--- The options of TLS for `core.daemon`. An unknown one is refused: it might be the one that protects.
---@param tls jet.DaemonTls|nil
---@return table|nil
local function tls_options(tls)
  if not tls then
    return nil
  end
  local unknown = check.unknown_keys(tls, TLS_OPTIONS, 'key')
  if unknown[1] then
    refuse('tls', 'known keys', unknown[1])
  end
  for option, expected in pairs(TLS_OPTIONS) do
    check.type(tls[option], expected, 'options.tls.' .. option, 'new')
  end
  return {
    certificate = tls.certificate,
    key = tls.key,
    client_ca = tls.client_ca,
    port = port_number(tls, 'port', nil, 'tls.'),
    ws_port = port_number(tls, 'ws_port', nil, 'tls.'),
  }
end

--- Checks the options and translates them for `core.daemon`.
---@param options table from `config.options`
---@return table
local function engine_options(options)
  for option, expected in pairs(OPTIONS) do
    local value = options[option]
    if expected == 'function' then
      check.callback(options, option, 'options', 'new')
    elseif expected ~= true and value ~= nil then
      check.type(value, expected, 'options.' .. option, 'new')
    end
  end
  local wanted = {
    port = port_number(options, 'port', DEFAULT_PORT),
    ws_port = port_number(options, 'ws_port'),
    interface = options.interface,
    all_ports = options.all_ports,
    unix = type(options.unix) == 'string' and { options.unix } or options.unix,
    unix_mode = file_mode(options.unix_mode),
    tls = tls_options(options.tls),
    allow_origin = string_list(options, 'allow_origin'),
    allow_host = string_list(options, 'allow_host'),
    users = accounts.read(options.users),
    users_file = options.users_file,
    timeout = options.timeout,
    simple_fetch = options.simple_fetch,
  }
  if wanted.users and wanted.users_file then
    refuse('users_file', "either 'users' or 'users_file'", 'both')
  end
  for _, limit in ipairs(LIMITS) do
    local value = options[limit]
    if value and (value < 1 or value % 1 ~= 0 or value >= 2 ^ 53) then
      refuse(limit, 'whole number of at least 1', value)
    end
    wanted[limit] = value
  end
  local timeout = wanted.timeout
  if timeout and not (timeout > 0 and timeout < math.huge) then
    refuse('timeout', 'positive number of seconds', timeout)
  end
  return wanted
end

--- How the warning begins that other machines reach a daemon without users.
local OPEN = 'without users, whoever reaches '

--- Whether standard error gets a line: if the program has no function for the log at all, and it matters.
---@param options jet.DaemonOptions
---@param level string
---@param text string
---@return boolean
local function is_alarming(options, level, text)
  if options.log ~= nil or options.info or options.crit then
    return false
  end
  return level == 'crit' or text:sub(1, #OPEN) == OPEN
end

--- Hands what the daemon has logged to the program.
---@param engine userdata
---@param options jet.DaemonOptions
local function deliver(engine, options)
  local level, text, name, direction = engine:next_line()
  while level do
    if name then
      if options.debug then
        protected.call(nil, options.debug, name, direction, text)
      end
    else
      local sink = options[level] or options.log
      if sink then
        protected.call(nil, sink, text)
      elseif is_alarming(options, level, text) then
        protected.report(nil, text)
      end
    end
    level, text, name, direction = engine:next_line()
  end
end

--- Makes a daemon. It does nothing before `start`.
---@param options? jet.DaemonOptions
---@return jet.Daemon both `daemon.start()` and `daemon:start()` work
function daemon.new(options)
  check.no_self(daemon, options, 'options', 'daemon.new {...}')
  check.type(options or nil, 'table|nil', 'options', 'new')
  local given = options or {}
  options = config.options(given, OPTIONS, OFF)
  local wanted = engine_options(options)
  local adapter, message = loops.resolve(options.loop)
  if not adapter then
    check.fail(message)
  end
  for _, warning in ipairs(check.unknown_keys(given, OPTIONS, 'daemon option')) do
    protected.report(options.log or options.info or given.log, warning)
  end

  local engine, cancel, handle
  local self = {}

  local function watch(started)
    adapter.watch(started:fd(), 'r', function()
      handle(started)
    end)
  end

  local function unwatch(started)
    if cancel then
      cancel()
      cancel = nil
    else
      adapter.watch(started:fd(), nil)
    end
  end

  --- Delivers the log. In a process that was forked, finds out before whether the daemon belongs to it.
  function handle(started)
    if engine ~= started then
      return
    end
    local owner, seconds, is_forked = started:owner()
    if is_forked and adapter.forked then
      adapter.forked()
    end
    if owner == 'here' then
      if cancel then
        cancel = nil
        watch(started)
      end
      return deliver(started, options)
    end
    unwatch(started)
    if owner == 'undecided' then
      cancel = adapter.after(seconds, function()
        handle(started)
      end)
      return
    end
    engine = nil
    started:stop()
    local text = started:fork_notice()
    if text then
      protected.report(options.crit or options.log, text)
    end
  end

  function self.start()
    if engine then
      check.fail('the daemon is running already')
    end
    local started, why = core.daemon(wanted)
    if not started then
      check.fail(why)
    end
    engine = started
    watch(started)
  end

  function self.stop()
    if not engine then
      check.fail('the daemon is not running')
    end
    local stopped = engine
    engine = nil
    unwatch(stopped)
    stopped:stop()
    deliver(stopped, options)
  end

  function self.reread()
    if not engine then
      check.fail('the daemon is not running')
    end
    engine:reread()
  end

  function self.port()
    return engine and engine:port()
  end

  return self
end

return daemon
