--- The API of lua-ev on the built-in event loop.
--
-- For programs written for lua-ev on a machine that has no libev: `package.loaded.ev = require
-- 'jet.ev'` before anything requires `ev`. Offered are Loop, Timer, IO, Signal, Idle and Async,
-- as https://github.com/brimworks/lua-ev documents them; Child and Stat are not. Loops and watchers
-- are userdata there and here.

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

  -- The values are those of libev.
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

  -- The numbers all systems share.
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

  -- Those of Linux.
  SIGUSR1 = 10,
  SIGUSR2 = 12,
  SIGCHLD = 17,
}

--- How many loops and watchers there are that were not collected yet.
---@return integer
function ev.object_count()
  return Watcher.count()
end

--- The version of libev whose behaviour this follows.
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
