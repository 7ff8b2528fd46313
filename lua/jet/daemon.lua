--- The daemon in a Lua program: `require 'jet.daemon'.new{...}`, then `start` and `stop`.
--
-- It serves from a thread of its own (`jet.core`), so peers are answered while Lua is busy. This file hands its log to
-- the program's functions when the loop runs. While the daemon runs it keeps the loop running.

require 'jet.built_for'
local check = require 'jet.check'
local config = require 'jet.config'
local core = require 'jet.core'
local loops = require 'jet.loop'
local protected = require 'jet.protected_call'

local daemon = {}

---@class jet.DaemonOptions
---@field port? integer|string TCP port, default 11122; 0 chooses a free one
---@field ws_port? integer|string WebSocket port; none by default
---@field all_ports? boolean `start` raises if the WebSocket port is in use, instead of starting without it
---@field unix? string|string[] Unix domain sockets: paths, or abstract names with a leading '@'
---@field unix_mode? integer|string permissions of the files of Unix sockets in octal digits, default '0660'
---@field tls? jet.DaemonTls encrypts the ports
---@field allow_origin? string|string[] origins of Web pages that may open a WebSocket beside those of the same host; '*' for all
---@field allow_host? string|string[] host names by which WebSockets may address the daemon beside addresses and 'localhost'
---@field users? table<string, jet.User> the users, by name; without users no peer has to log in, and `access` protects nothing
---@field users_file? string instead of `users`: a file written by `jetd passwd`; changed passwords are written to it
---@field interface? string address or name to listen on; all interfaces by default
---@field loop? any an event loop as for `jet.peer`; it delivers the log
---@field log? false|fun(...) gets the lines for `info` and `crit` if these are not given; without all three, important lines go to standard error; false drops all
---@field info? fun(...) gets log lines about peers that did something wrong
---@field crit? fun(...) gets log lines about failures of the daemon
---@field debug? fun(name: string, direction: '->'|'<-', json: string) messages of peers with `config{debug = true}`
---@field timeout? number seconds that an owner has to respond, default 5
---@field simple_fetch? boolean gives each peer one fetch of all elements, like the "simple" fetch mode of node-jet
---@field max_message? integer bytes of one message, default 10000000
---@field max_depth? integer nesting of values, default 1000
---@field max_unsent? integer bytes that may wait for one peer, default 256 MiB
---@field max_fetches? integer fetches of one peer, default 100000; a pattern counts as 100, a value rule as 10
---@field max_requests? integer requests of one peer that may wait for a response, default 1000000

--- PEM files. With `port` or `ws_port` here, these ports are encrypted and those of the daemon stay plain. Without them,
--- those of the daemon are encrypted. Unix sockets never are.
---@class jet.DaemonTls
---@field certificate string the daemon's certificate with its intermediates
---@field key string its key
---@field client_ca? string the authorities that sign the certificates of peers; without it peers need none
---@field port? integer|string TCP port for TLS
---@field ws_port? integer|string WebSocket port for TLS

---@class jet.Daemon
---@field start fun() listens and serves; raises if the address is in use, the users cannot be read, or the daemon is running already
---@field stop fun() ends all connections; raises unless the daemon is running
---@field reread fun() reads the users file, certificates and keys again, and logs the outcome; raises unless the daemon is running
---@field port fun(): integer|nil the TCP port it listens on, nil unless it is running

--- The groups of a user.
---@class jet.Auth
---@field fetchGroups? string[] the user sees elements whose `access.fetchGroups` has one of these
---@field setGroups? string[] the user sets states whose `access.setGroups` has one of these
---@field callGroups? string[] the user calls methods whose `access.callGroups` has one of these

---@class jet.User
---@field password? string hashed when the daemon starts, which takes some 30 ms for each user
---@field hash? string instead of `password`: an argon2 hash from `jetd passwd`, `'$argon2id$...'`
---@field auth? jet.Auth
---@field admin? boolean whether the user may change all passwords and add users
---@field readonly? boolean whether the password cannot be changed

--- The beginning of the warning that other machines reach a daemon without users.
local OPEN = 'without users, whoever reaches '

--- Returns whether a line is written to standard error: it is important, and the program has no function for the log.
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

--- Hands the log of the daemon to the program.
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

---@class jet.DaemonState
---@field adapter jet.Adapter
---@field given jet.DaemonOptions
---@field engine userdata|nil the daemon that runs
---@field cancel fun()|nil stops the timer that checks, after a fork, which process owns the daemon

local handle

--- Makes the loop deliver the log.
---@param state jet.DaemonState
---@param engine userdata
local function watch(state, engine)
  state.adapter.watch(engine:fd(), 'r', function()
    handle(state, engine)
  end)
end

--- Undoes `watch`.
---@param state jet.DaemonState
---@param engine userdata
local function unwatch(state, engine)
  if state.cancel then
    state.cancel()
    state.cancel = nil
  else
    state.adapter.watch(engine:fd(), nil)
  end
end

--- Delivers the log. In a process that was forked, checks first whether it owns the daemon.
---@param state jet.DaemonState
---@param engine userdata
function handle(state, engine)
  if state.engine ~= engine then
    return
  end
  local owner, seconds, is_forked = engine:owner()
  if is_forked and state.adapter.forked then
    state.adapter.forked()
  end
  if owner == 'here' then
    if state.cancel then
      state.cancel = nil
      watch(state, engine)
    end
    return deliver(engine, state.given)
  end
  unwatch(state, engine)
  if owner == 'undecided' then
    state.cancel = state.adapter.after(seconds, function()
      handle(state, engine)
    end)
    return
  end
  state.engine = nil
  engine:stop()
  local text = engine:fork_notice()
  if text then
    protected.report(state.given.crit or state.given.log, text)
  end
end

--- Returns the running daemon, or raises at the program's line.
---@param state jet.DaemonState
---@return userdata
local function running(state)
  if not state.engine then
    check.fail('the daemon is not running')
  end
  return state.engine
end

--- Copies users together with the options and groups that they inherit.
---@param users any the option `users`
---@return any
local function inherited_users(users)
  if type(users) ~= 'table' then
    return users
  end
  local copy = {}
  for name, user in next, users do
    user = config.inherited(user, core.option_names.user)
    if type(user) == 'table' then
      user.auth = config.inherited(user.auth, core.option_names.auth)
    end
    copy[name] = user
  end
  return copy
end

--- Makes a daemon. It does nothing before `start`.
---@param options? jet.DaemonOptions
---@return jet.Daemon both `daemon.start()` and `daemon:start()` work
function daemon.new(options)
  check.no_self(daemon, options, 'options', 'daemon.new {...}')
  check.type(options or nil, 'table|nil', 'options', 'new')
  local all = options or {}
  local given = config.given(all, core.option_names.daemon)
  given.tls = config.inherited(given.tls, core.option_names.daemon_tls)
  given.users = inherited_users(given.users)
  local wanted, message = core.daemon_options(given)
  if not wanted then
    check.fail(message)
  end
  local adapter
  adapter, message = loops.resolve(given.loop)
  if not adapter then
    check.fail(message)
  end
  for _, warning in ipairs(core.unknown_keys(all, core.option_names.daemon, 'daemon option')) do
    protected.report(given.log or given.info or all.log, warning)
  end

  local state = { adapter = adapter, given = given }
  local self = {}

  function self.start()
    if state.engine then
      check.fail('the daemon is running already')
    end
    local started, why = core.daemon(wanted)
    if not started then
      check.fail(why)
    end
    state.engine = started
    watch(state, started)
  end

  function self.stop()
    local stopped = running(state)
    state.engine = nil
    unwatch(state, stopped)
    stopped:stop()
    deliver(stopped, given)
  end

  function self.reread()
    running(state):reread()
  end

  function self.port()
    return state.engine and state.engine:port()
  end

  return self
end

return daemon
