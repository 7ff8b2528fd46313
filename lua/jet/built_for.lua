--- Loads `jet.core`. If it was built for another Lua, the error says so.

--- Returns the first file that `require 'jet.core'` could have loaded.
---@return string|nil path
---@return string|nil content
local function find()
  for template in package.cpath:gmatch '[^;]+' do
    local path = template:gsub('%?', 'jet/core')
    local file = io.open(path, 'rb')
    if file then
      local content = file:read '*a'
      file:close()
      return path, content
    end
  end
end

local loaded, message = pcall(require, 'jet.core')
if not loaded then
  local path, content = find()
  local version = content and content:match 'jet%.core built for (Lua %d%.%d)'
  if version and version ~= _VERSION then
    local text = "%s was built for %s, but this is %s: build it for this one (make LUA=...) or put the right one on LUA_CPATH\n%s"
    message = text:format(path, version, _VERSION, tostring(message))
  end
  error(message, 0)
end
