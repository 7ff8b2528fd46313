--- Reads the LuaLS annotations of the Lua files: the fields of each class, and its public functions with the names of
-- their arguments.

local annotations = {}

---@class spec.Class
---@field fields table<string, boolean> from `---@field` lines, private ones (`_name`) excluded
---@field functions table<string, string> public functions, as their arguments: `path, callbacks?`
---@field parent string|nil

--- Returns the class of a name, a new one if need be.
local function class_of(classes, name)
  classes[name] = classes[name] or { fields = {}, functions = {} }
  return classes[name]
end

--- Returns the arguments of a function as documentation writes them. `optional` has the names with a question mark.
local function arguments(list, optional)
  local names = {}
  for name in list:gmatch '[%w_]+' do
    names[#names + 1] = name .. (optional[name] and '?' or '')
  end
  return table.concat(names, ', ')
end

--- Reads one file into `classes`. A class belongs to the table that the next line defines.
local function read(file, classes)
  local pending, last, owners, optional = nil, nil, {}, {}
  for line in file:lines() do
    local name, parent = line:match '^%-%-%-@class ([%w_.]+):? ?([%w_.]*)'
    local field = line:match '^%-%-%-@field ([%w_]+)'
    local param = line:match '^%-%-%-@param ([%w_]+)%?'
    if name then
      pending, last = name, class_of(classes, name)
      last.parent = parent ~= '' and parent or last.parent
    elseif field then
      if last and field:sub(1, 1) ~= '_' then
        last.fields[field] = true
      end
    elseif param then
      optional[param] = true
    elseif not line:match '^%-%-' then
      local owner, member, list = line:match '^function ([%w_]+)[.:]([%w_]+)%((.-)%)'
      local variable = line:match '^local ([%w_]+) =' or line:match '^return {' and '' or nil
      if owner and owners[owner] and member:sub(1, 1) ~= '_' then
        owners[owner].functions[member] = arguments(list, optional)
      elseif owner == nil and pending and variable then
        owners[variable] = class_of(classes, pending)
      end
      local alias, original = line:match '^[%w_]+%.([%w_]+) = [%w_]+%.([%w_]+)$'
      local holder = line:match '^([%w_]+)%.'
      if alias and owners[holder] and owners[holder].functions[original] then
        owners[holder].functions[alias] = owners[holder].functions[original]
      end
      pending, optional = nil, {}
      if line ~= '' then
        last = nil
      end
    end
  end
end

--- Reads all files under `lua/`.
---@return table<string, spec.Class>
function annotations.read()
  local classes = {}
  local pipe = io.popen "find lua -name '*.lua' | LC_ALL=C sort"
  for name in pipe:lines() do
    local file = assert(io.open(name))
    read(file, classes)
    file:close()
  end
  pipe:close()
  return classes
end

return annotations
