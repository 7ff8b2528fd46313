--- Finds the line of the program that called into this module, and raises errors there.

local getinfo = debug.getinfo

local caller = {}

-- The beginning of the chunk names of this module's files.
local source = getinfo(1, 'S').source
local OWN = source:match '^(.*)caller%.lua$' or source

--- Returns the position of the innermost function on the stack that is not part of this module, as `error` writes it:
-- `file:line: `. Empty if the program called with a tail call and its frame is gone.
---@return string
function caller.position()
  local level, crossed = 2, false
  local info = getinfo(level, 'Sl')
  while info do
    if info.source:sub(1, #OWN) == OWN then
      if crossed then
        -- This function of the module calls back: what it called has left the stack.
        return ''
      end
    elseif info.what == 'C' then
      crossed = true
    elseif info.what ~= 'tail' then
      return info.currentline > 0 and ('%s:%d: '):format(info.short_src, info.currentline) or ''
    end
    level = level + 1
    info = getinfo(level, 'Sl')
  end
  return ''
end

--- Raises an error at the line of the program.
---@param message string
function caller.fail(message)
  error(caller.position() .. message, 0)
end

return caller
