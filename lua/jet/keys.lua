--- Unknown keys in the tables that describe elements and in tables of callbacks.
--
-- A key that nobody knows is a slip, which is reported once. A slip of `access` is an error: the element would be open
-- to everybody.

local check = require 'jet.check'
local core = require 'jet.core'

local keys = {}

--- The known keys of each kind of element.
---@type table<string, table<string, boolean>>
local DESCRIPTIONS = {
  state = { path = true, value = true, access = true, set = true, set_async = true },
  method = { path = true, value = true, access = true, call = true, call_async = true },
  add = { path = true, value = true, access = true },
}

local CALLBACKS = { success = true, error = true, timeout = true, valueAsResult = true, value_as_result = true }

--- Raises if an unknown key of a description is at most one edit away from 'access', in any case of letters.
---@param desc table
---@param known table<string, boolean>
---@param func string the function that got it
local function refuse_near_access(desc, known, func)
  for key in next, desc do
    if known[key] == nil and type(key) == 'string' and core.edits(key:lower(), 'access') <= 1 then
      local message = "bad argument 'desc' to '%s' (unknown key '%s', did you mean 'access'?)"
      check.fail(message:format(func, key))
    end
  end
end

--- Looks at the keys of a description. Reports each unknown one once for the peer.
---@param driver jet.Driver
---@param desc table
---@param func 'state'|'method'|'add' the function that got it
function keys.check_description(driver, desc, func)
  local known = DESCRIPTIONS[func]
  for key in next, desc do
    if known[key] == nil then
      refuse_near_access(desc, known, func)
      driver:warn(check.unknown_keys(desc, known, 'key of a description'))
      return
    end
  end
end

--- Reports the unknown keys of a table of callbacks. For a table that has none of the known keys.
---@param driver jet.Driver
---@param callbacks table
function keys.check_callbacks(driver, callbacks)
  if next(callbacks) ~= nil then
    driver:warn(check.unknown_keys(callbacks, CALLBACKS, 'key of callbacks'))
  end
end

return keys
