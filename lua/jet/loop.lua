--- Finds the adapter for the event loop of a program.
--
-- An adapter is a table of four functions. The adapters of known libraries are in `jet.loop.*`.

require 'jet.built_for'
local builtin = require 'jet.loop.builtin'
local check = require 'jet.check'
local core = require 'jet.core'

---@class jet.Adapter
---@field watch fun(fd: integer, interest: 'r'|'w'|'rw'|nil, callback?: fun(readable: boolean, writable: boolean)) level-triggered; nil forgets the descriptor
---@field after fun(seconds: number, callback: fun()): fun() calls back once; returns a function that cancels
---@field run fun() runs until there is neither a descriptor nor a timer, or until `stop`
---@field stop fun() ends the innermost `run`
---@field forked? fun() called in a process that was forked, if the loop shares kernel objects with the parent's loop

local loops = {}

local FUNCTIONS = { 'watch', 'after', 'run', 'stop' }

--- Adapters by the name that a program may give, and how to recognise the object that it may give instead.
---@type {name: string, matches: fun(loop: any): boolean}[]
local KNOWN = {
  {
    name = 'luv',
    matches = function(loop)
      return type(loop) == 'table' and loop.new_poll ~= nil and loop.new_timer ~= nil
    end,
  },
  {
    name = 'copas',
    matches = function(loop)
      return type(loop) == 'table' and loop.addthread ~= nil and loop.addserver ~= nil
    end,
  },
  {
    name = 'cqueues',
    matches = function(loop)
      local cqueues = package.loaded.cqueues
      return type(cqueues) == 'table' and (loop == cqueues or cqueues.type(loop) == 'controller')
    end,
  },
  {
    name = 'ev',
    matches = function(loop)
      if type(loop) ~= 'userdata' and type(loop) ~= 'table' then
        return false
      end
      local ok, method = pcall(function()
        return loop.unloop
      end)
      return ok and method ~= nil
    end,
  },
}

--- Keeps lua-ev and libev loaded until the process ends: libev's handler of SIGCHLD stays installed when a Lua state is
-- closed, so its code must not be unloaded.
---@param ev table
local function pin(ev)
  core.pin(ev.version)
  core.pin(type(ev.Loop) == 'table' and ev.Loop.new)
end

--- Loads the adapter of a library.
---@param name string
---@param loop any the library's loop, nil for its default
---@return jet.Adapter|nil
---@return string|nil message
local function load(name, loop)
  local ok, adapter = pcall(require, 'jet.loop.' .. name)
  if ok then
    ok, adapter = pcall(adapter.new, loop)
  end
  if ok then
    return adapter
  end
  return nil, ("bad argument 'config.loop' to 'new' (%s: %s)"):format(name, tostring(adapter))
end

-- Adapters of programs that have passed `try_after`.
local tried = setmetatable({}, { __mode = 'k' })

--- Calls `after` of an adapter to check its arguments and result.
---@param loop table
---@return string|nil fault
local function try_after(loop)
  local ok, cancel = pcall(loop.after, 0, function() end)
  if not ok then
    return ("'after(seconds, callback)' raises: %s"):format(tostring(cancel))
  elseif not check.callable(cancel) then
    return ("'after' must return a function that cancels, got %s"):format(type(cancel))
  end
  cancel()
end

--- Checks a table `{ uv = luv, schedule = f }`.
---@param loop table
---@return string|nil fault
local function scheduled_fault(loop)
  local uv = loop.uv
  if uv == nil then
    return "'schedule' needs the module luv as 'uv' beside it"
  elseif type(uv) ~= 'table' or uv.new_poll == nil or uv.new_timer == nil then
    return ("'uv' must be the module luv, got %s"):format(type(uv))
  elseif not check.callable(loop.schedule) then
    return ("'uv' needs the function 'schedule' beside it, got %s"):format(type(loop.schedule))
  end
end

--- Checks an adapter that the program has written.
---@param loop table
---@return jet.Adapter|nil
---@return string|nil message
local function own(loop)
  local fault
  for _, name in ipairs(FUNCTIONS) do
    if not fault and not check.callable(loop[name]) then
      fault = ("an adapter needs the function '%s'"):format(name)
    end
  end
  fault = fault or not tried[loop] and try_after(loop) or nil
  if fault then
    return nil, ("bad argument 'config.loop' to 'new' (%s)"):format(fault)
  end
  tried[loop] = true
  return loop
end

--- Returns the adapter for a loop, or nil and why it has none.
---@param loop any nil for lua-ev's default loop if lua-ev is installed, else the built-in loop; a loop of lua-ev or
-- `jet.ev`, the module luv or copas, `{ uv = luv, schedule = f }`, a cqueues controller, an adapter, or a name
---@return jet.Adapter|nil
---@return string|nil message
function loops.resolve(loop)
  if loop == nil then
    local ok, ev = pcall(require, 'ev')
    if ok and type(ev) == 'table' and ev.Loop then
      pin(ev)
      return load('ev', ev.Loop.default)
    end
    return builtin.default()
  elseif loop == 'builtin' then
    return builtin.default()
  end
  for _, known in ipairs(KNOWN) do
    if loop == known.name then
      return load(known.name)
    elseif type(loop) ~= 'string' and known.matches(loop) then
      return load(known.name, loop)
    end
  end
  if type(loop) == 'table' and loop.watch == nil and (loop.uv ~= nil or loop.schedule ~= nil) then
    local fault = scheduled_fault(loop)
    if fault then
      return nil, ("bad argument 'config.loop' to 'new' (%s)"):format(fault)
    end
    return load('scheduled', loop)
  elseif type(loop) == 'table' then
    return own(loop)
  end
  return nil, ("bad argument 'config.loop' to 'new' (event loop expected, got %s)"):format(tostring(loop))
end

return loops
