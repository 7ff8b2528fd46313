--- Runs shell commands for specs.

--- Returns the output of a command; the last word is its exit code.
---@param command string
---@return string
return function(command)
  local pipe = assert(io.popen(('{ %s\n} 2>&1; echo $?'):format(command)))
  local output = pipe:read '*a'
  pipe:close()
  return (output:gsub('%s+$', ''))
end
