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

--- What a user may do, by the names of groups.
---@class jet.Auth
---@field fetchGroups? string[] sees elements whose `access.fetchGroups` has one of these
---@field setGroups? string[] sets states whose `access.setGroups` has one of these
---@field callGroups? string[] calls methods whose `access.callGroups` has one of these

---@class jet.User
---@field password? string hashed when the daemon starts, which takes some 30 ms for each user
---@field hash? string instead of `password`: an argon2 hash as `jetd passwd` writes it, `'$argon2id$...'`
---@field auth? jet.Auth
---@field admin? boolean may change everybody's password, and add users
---@field readonly? boolean nobody may change the password

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

---@class jet.DaemonState
---@field adapter jet.Adapter
---@field given jet.DaemonOptions
---@field engine userdata|nil the daemon that runs
---@field cancel fun()|nil stops the timer that looks again whose the daemon is, after a fork

local handle

--- Has the loop deliver the log.
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

--- Delivers the log. In a process that was forked, finds out before whether the daemon belongs to it.
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

--- Returns the daemon that runs; raises at the program's line if there is none.
---@param state jet.DaemonState
---@return userdata
local function running(state)
  if not state.engine then
    check.fail('the daemon is not running')
  end
  return state.engine
end

--- Makes a daemon. It does nothing before `start`.
---@param options? jet.DaemonOptions
---@return jet.Daemon both `daemon.start()` and `daemon:start()` work
function daemon.new(options)
  check.no_self(daemon, options, 'options', 'daemon.new {...}')
  check.type(options or nil, 'table|nil', 'options', 'new')
  local all = options or {}
  local given = config.given(all, core.option_names.daemon)
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
