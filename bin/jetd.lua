#!/usr/bin/env lua
--- The daemon as a Lua program: prints its log, ends on SIGINT, SIGQUIT and SIGTERM, and reads its users again on SIGHUP.
-- It takes the flags of the earlier daemon and a few more; `jetd`, which needs no Lua, has all options.

local USAGE = [[
usage: jetd.lua [-p<port>] [-w<port>] [--interface ADDRESS] [--users FILE]
                [-d|--daemon] [--pidfile FILE] [--allow-origin ORIGIN]
                [--allow-host HOST] [--simple-fetch] [-h|--help]
  -p<port>        TCP port, default 11122
  -w<port>        WebSocket port, default 11123
  --interface ADDRESS
                  address or name to listen on, default all interfaces
  --users FILE    users that may log in, a file made by 'jetd passwd', read again on SIGHUP;
                  without it every peer may do everything
  --allow-origin ORIGIN
                  Web pages that may open a WebSocket beside those of the same host, may be repeated; * for all
  --allow-host HOST
                  host name by which WebSockets may address the daemon, may be repeated; * for all
  --simple-fetch  gives each peer one fetch of everything, as node-jet's "simple" fetch mode does
  -d, --daemon    goes into the background once all ports are bound; the log goes to stdout as before
  --pidfile FILE  writes the process id to this file; removed at the end
  -h, --help      shows this]]

local options = { port = 11122, ws_port = 11123 }
local flags = { ['-p'] = 'port', ['-w'] = 'ws_port' }
local words = {
  ['--users'] = 'users_file',
  ['--interface'] = 'interface',
  ['--allow-origin'] = 'allow_origin',
  ['--allow-host'] = 'allow_host',
  ['--pidfile'] = 'pidfile',
}
local repeated = { allow_origin = true, allow_host = true }
local daemonize, pidfile

--- Prints the usage text and exits.
---@param file file*
---@param code integer
local function usage(file, code)
  file:write(USAGE, '\n')
  os.exit(code, true)
end

--- Reports a wrong flag, prints the usage text and exits.
---@param problem string
local function misused(problem)
  io.stderr:write('jetd.lua: ', problem, '\n')
  usage(io.stderr, 1)
end

local index = 1
while arg[index] do
  local word = arg[index]
  local key = flags[word:sub(1, 2)]
  local long = words[word:match '^[^=]*']
  if key then
    local value = word:sub(3)
    if value == '' then
      index = index + 1
      value = arg[index]
    end
    local flag = word:sub(1, 2)
    if not value then
      misused(flag .. ' needs a port')
    end
    options[key] = tonumber(value) or misused(("%s needs a port, not '%s'"):format(flag, value))
  elseif long then
    local value = word:match '=(.*)'
    if not value then
      index = index + 1
      value = arg[index] or misused(word .. ' needs a value')
    end
    local list = repeated[long] and (options[long] or {})
    if list then
      list[#list + 1] = value
    end
    options[long] = list or value
  elseif word == '-d' or word == '--daemon' or word == '--daemonize' then
    daemonize, options.all_ports = true, true
  elseif word == '--simple-fetch' then
    options.simple_fetch = true
  elseif word == '-h' or word == '--help' then
    usage(io.stdout, 0)
  else
    misused('unknown flag ' .. word)
  end
  index = index + 1
end
pidfile, options.pidfile = options.pidfile, nil

-- Seconds that the exit waits for a reader of stdout.
local LAST_LINES = 1

local log

--- Reports a failure and exits.
---@param message string
local function fail(message)
  if log then
    log:finish(LAST_LINES)
  end
  io.stderr:write('jetd.lua: ', message, '\n')
  os.exit(1, true)
end

local core = require 'jet.core'
local loop = require('jet.loop').resolve('builtin')

local parent
if daemonize then
  local message
  parent, message = core.background()
  if not parent then
    fail('cannot go into the background: ' .. message)
  end
end

-- A thread writes to stdout, so that a pipe without a reader does not delay the handling of signals.
log = assert(core.log_writer())

--- Logs the daemon's lines and the messages of debugged peers.
local function write(...)
  log:write(table.concat({ ... }, ' '))
end

options.loop = 'builtin'
options.info = write
options.crit = write
options.debug = write

-- Handles signals before the daemon is visible to others, so that a signal always ends it in order.
local SIGHUP, SIGINT, SIGQUIT, SIGTERM = 1, 2, 3, 15
local signals = assert(core.signals { SIGHUP, SIGINT, SIGQUIT, SIGTERM })

local made, daemon = pcall(require('jet.daemon').new, options)
if not made then
  fail((tostring(daemon):gsub('^[^:]*:%d+: ', '')))
end
local started, message = pcall(daemon.start)
if not started then
  fail(tostring(message))
end
write('jetd.lua listens on port ' .. daemon.port())
loop.watch(signals:fd(), 'r', function()
  local signal = signals:read()
  while signal do
    if signal ~= SIGHUP then
      return loop.stop()
    end
    daemon.reread()
    signal = signals:read()
  end
end)

local pid = tostring(core.pid())
if pidfile then
  local file, problem = io.open(pidfile, 'w')
  if not file then
    fail('cannot write ' .. problem)
  end
  file:write(pid, '\n')
  file:close()
end
if parent then
  parent:ready()
end
loop.run()
daemon.stop()
log:finish(LAST_LINES)
if pidfile then
  -- Unless another process has overwritten it since.
  local file = io.open(pidfile)
  local is_ours = file and file:read() == pid
  if file then
    file:close()
  end
  if is_ours then
    os.remove(pidfile)
  end
end
