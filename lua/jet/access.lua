--- Who may fetch, set and call an element: `access` of its description.
--
-- What lives here: checking the table and putting it as `core` takes it. What each daemon is told is the
-- engine's business; users and their groups are the daemon's.

local check = require 'jet.check'
local core = require 'jet.core'

local access = {}

--- An action without a list is for everybody who is logged in; an empty list is for nobody.
---@class jet.Access
---@field fetchGroups? string[] sees the element who is in one of these groups
---@field setGroups? string[] sets it, if it is a state
---@field callGroups? string[] calls it, if it is a method

local LISTS = { 'fetchGroups', 'setGroups', 'callGroups' }

local KNOWN = { fetchGroups = true, setGroups = true, callGroups = true }

-- The list that says who may change or use this kind of element, and the one that says nothing about it.
local MEANT = { state = { 'setGroups', 'callGroups' }, method = { 'callGroups', 'setGroups' } }

--- Checks `desc.access`. An unknown member is refused, as is the list of the other kind of element without the one of
-- this kind: it might be the one that protects. A table with both serves for states and methods.
---@param given any
---@param func string the function that got it
function access.check(given, func)
  if given == nil then
    return
  end
  check.type(given, 'table|nil', 'desc.access', func)
  local unknown = check.unknown_keys(given, KNOWN, 'member')
  if unknown[1] then
    check.fail(("bad argument 'desc.access' to '%s' (%s)"):format(func, unknown[1]))
  end
  for _, list in ipairs(LISTS) do
    local place = 'desc.access.' .. list
    check.type(given[list], 'table|nil', place, func)
    local names = given[list] or {}
    for key, name in pairs(names) do
      if type(key) ~= 'number' or key % 1 ~= 0 or key < 1 or key > #names then
        local message = "bad argument '%s' to '%s' (list expected, got the key '%s')"
        check.fail(message:format(place, func, tostring(key)))
      end
      check.type(name, 'string', ('%s[%s]'):format(place, key), func)
    end
  end
  local meant = MEANT[func]
  if meant and given[meant[2]] and not given[meant[1]] then
    local message = "bad argument 'desc.access' to '%s' (%s means nothing for a %s, did you mean %s?)"
    check.fail(message:format(func, meant[2], func, meant[1]))
  end
end

--- The JSON text of a checked `access`.
---@param given jet.Access|nil
---@return string|nil
function access.encode(given)
  if given == nil then
    return nil
  end
  local members = {}
  for _, list in ipairs(LISTS) do
    if given[list] then
      local names = {}
      for _, name in ipairs(given[list]) do
        names[#names + 1] = core.encode(name)
      end
      members[#members + 1] = ('"%s":[%s]'):format(list, table.concat(names, ','))
    end
  end
  return '{' .. table.concat(members, ',') .. '}'
end

return access
