--- The groups that may fetch, set and call an element: `access` of its description.
--
-- `jet.core` checks the table and writes it as JSON.

local check = require 'jet.check'
local config = require 'jet.config'
local core = require 'jet.core'

local access = {}

--- An action without a list is open to every user who has logged in; an empty list closes it to all.
---@class jet.Access
---@field fetchGroups? string[] the groups whose users see the element
---@field setGroups? string[] the groups whose users set it, if it is a state
---@field callGroups? string[] the groups whose users call it, if it is a method

--- Checks `desc.access` and returns it as JSON. An unknown member is refused, as is the list of the other kind of
-- element without the one of this kind: it may be the one that is meant to protect.
---@param given any
---@param func 'state'|'method'|'add' the function that the program called
---@return string|nil json nil if there is none
function access.encode(given, func)
  if given == nil then
    return nil
  end
  check.type(given, 'table|nil', 'desc.access', func)
  local json, message = core.access(config.inherited(given, core.option_names.access), func)
  if not json then
    check.fail(message)
  end
  return json
end

return access
