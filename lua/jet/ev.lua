--- The API of lua-ev on the built-in event loop.
--
-- Runs programs for lua-ev on a machine without libev: call `package.loaded.ev = require 'jet.ev'` before anything
-- requires `ev`. It has Loop, Timer, IO, Signal, Idle and Async, as https://github.com/brimworks/lua-ev documents them,
-- but not Child and Stat. Loops and watchers are userdata, as in lua-ev.

require 'jet.built_for'
local check = require 'jet.check'
local Loop = require 'jet.ev.loop'
local Watcher = require 'jet.ev.watcher'
local watchers = require 'jet.ev.watchers'

---@class jet.ev
local ev = {
  Loop = Loop,
  Timer = watchers.Timer,
  IO = require 'jet.ev.io',
  Signal = watchers.Signal,
  Idle = watchers.Idle,
  Async = watchers.Async,

  -- The values of libev.
  READ = 0x01,
  WRITE = 0x02,
  TIMEOUT = 0x100,
  TIMER = 0x100,
  SIGNAL = 0x400,
  CHILD = 0x800,
  STAT = 0x1000,
  IDLE = 0x2000,
  ASYNC = 0x80000,
  MINPRI = -2,
  MAXPRI = 2,

  -- The signal numbers of all systems.
  SIGHUP = 1,
  SIGINT = 2,
  SIGQUIT = 3,
  SIGILL = 4,
  SIGTRAP = 5,
  SIGABRT = 6,
  SIGFPE = 8,
  SIGKILL = 9,
  SIGSEGV = 11,
  SIGPIPE = 13,
  SIGALRM = 14,
  SIGTERM = 15,

  -- The signal numbers of Linux.
  SIGUSR1 = 10,
  SIGUSR2 = 12,
  SIGCHLD = 17,
}

--- Returns the number of loops and watchers that have not been collected.
---@return integer
function ev.object_count()
  return Watcher.count()
end

--- Returns the version of libev that this module behaves like.
---@return integer major
---@return integer minor
function ev.version()
  return 4, 33
end

return setmetatable(ev, {
  __index = function(_, name)
    if name == 'Child' or name == 'Stat' then
      check.fail(("jet.ev does not offer '%s'"):format(name))
    end
  end,
})
