#!/usr/bin/env lua
--- `jetd` for those who start it with Lua: prints the log, stops on SIGINT and SIGTERM.
-- The flags are those of the earlier daemon and `--users`; `jetd` itself, without Lua, has more.

local USAGE = [[
usage: jetd.lua [-p<port>] [-w<port>] [--users FILE] [-d|--daemon] [-h|--help]
  -p<port>      TCP port, default 11122
  -w<port>      WebSocket port, default 11123
  --users FILE  who may log in, a file made by 'jetd passwd'; without, everybody may do everything
  -d, --daemon  accepted for old start scripts: they put it into the background themselves
  -h, --help    shows this]]

local options = { port = 11122, ws_port = 11123 }
local flags = { ['-p'] = 'port', ['-w'] = 'ws_port' }

--- Shows how to call this, and ends.
---@param file file*
---@param code integer
local function usage(file, code)
  file:write(USAGE, '\n')
  os.exit(code, true)
end

local index = 1
while arg[index] do
  local word = arg[index]
  local key = flags[word:sub(1, 2)]
  if key then
    local value = word:sub(3)
    if value == '' then
      index = index + 1
      value = arg[index]
    end
    options[key] = tonumber(value) or usage(io.stderr, 1)
  elseif word == '--users' then
    index = index + 1
    options.users_file = arg[index] or usage(io.stderr, 1)
  elseif word:find('^%-%-users=') then
    options.users_file = word:match '=(.*)'
  elseif word == '-h' or word == '--help' then
    usage(io.stdout, 0)
  elseif word ~= '-d' and word ~= '--daemon' then
    io.stderr:write('jetd.lua: unknown flag ', word, '\n')
    usage(io.stderr, 1)
  end
  index = index + 1
end

-- The log is to be seen at once, also through a pipe.
io.stdout:setvbuf 'line'

local core = require 'jet.core'
local loop = require('jet.loop').resolve('builtin')

options.loop = 'builtin'
options.info = print
options.crit = print
options.debug = print

-- Before anybody can know that the daemon is there: a signal always ends it in order.
local SIGINT, SIGQUIT, SIGTERM = 2, 3, 15
local signals = assert(core.signals { SIGINT, SIGQUIT, SIGTERM })
loop.watch(signals:fd(), 'r', function()
  signals:read()
  loop.stop()
end)

local daemon = require('jet.daemon').new(options)
local started, message = pcall(daemon.start)
if not started then
  io.stderr:write('jetd.lua: ', tostring(message), '\n')
  os.exit(1, true)
end
print('jetd.lua listens on port ' .. daemon.port())
loop.run()
daemon.stop()
