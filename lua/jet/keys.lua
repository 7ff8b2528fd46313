--- Unknown keys in the tables that describe elements and in tables of callbacks.
--
-- An unknown key is reported once. A misspelt `access` is an error: without it the element would be open to all users.

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

--- Raises if an unknown key of a description differs from 'access' by at most one edit, whatever its case.
---@param desc table
---@param known table<string, boolean>
---@param func string the function that the program called
local function refuse_near_access(desc, known, func)
  for key in next, desc do
    if known[key] == nil and type(key) == 'string' and core.edits(key:lower(), 'access') <= 1 then
      local message = "bad argument 'desc' to '%s' (unknown key '%s', did you mean 'access'?)"
      check.fail(message:format(func, key))
    end
  end
end

--- Checks the keys of a description. Reports each unknown one once for the peer.
---@param driver jet.Driver
---@param desc table
---@param func 'state'|'method'|'add' the function that the program called
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

--- Reports the unknown keys of a table of callbacks that has none of the known keys.
---@param driver jet.Driver
---@param callbacks table
function keys.check_callbacks(driver, callbacks)
  if next(callbacks) ~= nil then
    driver:warn(check.unknown_keys(callbacks, CALLBACKS, 'key of callbacks'))
  end
end

return keys
