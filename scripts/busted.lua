--- Busted, for the interpreter that runs this file. With `JET_GC` in the environment the garbage collector is
-- never at rest, so that whatever the module does not hold on to is gone at once.
--
-- Each cycle follows the one before without a pause, and every so many instructions there is a
-- full collection on top, wherever the program is just then.

-- Instructions from one full collection to the next.
local INSTRUCTIONS = 2000

-- Kilobytes in use above which a full collection takes too long to be done that often. What runs without a
-- pause has to do for them.
local LARGE = 24 * 1024

-- The collector's speed in per cent of the allocation's.
local SPEED = 1000

local function collect()
  if collectgarbage 'count' < LARGE then
    collectgarbage()
  end
end

--- Begins the torture.
local function torment()
  collectgarbage('setpause', 0)
  collectgarbage('setstepmul', SPEED)
  debug.sethook(collect, '', INSTRUCTIONS)
  -- A coroutine has hooks of its own.
  local create = coroutine.create
  coroutine.create = function(f)
    local thread = create(f)
    debug.sethook(thread, collect, '', INSTRUCTIONS)
    return thread
  end
end

-- Busted forgets the modules of one file before the next; luv dies when it is loaded a second time.
pcall(require, 'luv')

if os.getenv 'JET_GC' then
  torment()
end
require 'busted.runner' { standalone = false }
