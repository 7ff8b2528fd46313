--- The users of a daemon as `daemon.new{users = ...}` takes them.
--
-- What lives here: checking the table, and putting it as `core.daemon` reads it. Passwords are hashed there
-- when the daemon starts.

local check = require 'jet.check'

local accounts = {}

--- What a user may do, by the names of groups.
---@class jet.Auth
---@field fetchGroups? string[] sees elements whose `access.fetchGroups` has one of these
---@field setGroups? string[] sets states whose `access.setGroups` has one of these
---@field callGroups? string[] calls methods whose `access.callGroups` has one of these

---@class jet.User
---@field password? string hashed when the daemon starts, which takes some 30 ms for each user
---@field hash? string instead of `password`: an argon2 hash as `jetd passwd` writes it, `'$argon2id$...'`
---@field auth? jet.Auth
---@field admin? boolean may change everybody's password, and add users
---@field readonly? boolean nobody may change the password

local GROUPS = { fetchGroups = 'table|nil', setGroups = 'table|nil', callGroups = 'table|nil' }

local MEMBERS = {
  password = 'string|nil',
  hash = 'string|nil',
  auth = 'table|nil',
  admin = 'boolean|nil',
  readonly = 'boolean|nil',
}

--- Raises at the line that called `new`.
---@param place string
---@param problem string
local function refuse(place, problem)
  check.fail(("bad argument 'options.%s' to 'new' (%s)"):format(place, problem))
end

--- Checks the members of a table. An unknown one is refused: it might be the one that protects.
---@param given table
---@param known table<string, string>
---@param place string
local function check_members(given, known, place)
  local unknown = check.unknown_keys(given, known, 'member')
  if unknown[1] then
    refuse(place, unknown[1])
  end
  for member, expected in pairs(known) do
    check.type(given[member], expected, ('options.%s.%s'):format(place, member), 'new')
  end
end

--- Checks the name of each group; gives those that are there as a list.
---@param auth jet.Auth
---@param list string
---@param place string
---@return string[]
local function groups(auth, list, place)
  local names = {}
  for key, name in pairs(auth[list] or {}) do
    local where = ('%s.auth.%s'):format(place, list)
    if type(key) ~= 'number' then
      refuse(where, ("list expected, got the key '%s'"):format(tostring(key)))
    end
    check.type(name, 'string', ('options.%s[%s]'):format(where, key), 'new')
    names[#names + 1] = name
  end
  return names
end

--- One user for `core.daemon`.
---@param name any
---@param user any
---@return table
local function account(name, user)
  check.type(name, 'string', 'options.users, a name', 'new')
  local place = 'users.' .. name
  check.type(user, 'table', 'options.' .. place, 'new')
  check_members(user, MEMBERS, place)
  if (user.password == nil) == (user.hash == nil) then
    refuse(place, "either 'password' or 'hash' expected")
  end
  local auth = user.auth or {}
  check_members(auth, GROUPS, place .. '.auth')
  return {
    name = name,
    password = user.password,
    hash = user.hash,
    fetch = groups(auth, 'fetchGroups', place),
    set = groups(auth, 'setGroups', place),
    call = groups(auth, 'callGroups', place),
    admin = user.admin,
    readonly = user.readonly,
  }
end

--- Checks the users for `engine_options` of `jet.daemon`, which `new` calls.
---@param users table<string, jet.User>|nil
---@return table[]|nil
function accounts.read(users)
  if users == nil then
    return nil
  end
  local list = {}
  for name, user in pairs(users) do
    list[#list + 1] = account(name, user)
  end
  return list
end

return accounts
