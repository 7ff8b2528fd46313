-- What luacheck knows of these files: all run on Lua 5.1 to 5.4 and LuaJIT.
std = 'min'
max_line_length = 130
-- An annotation cannot be broken.
max_comment_line_length = 180
-- A method may leave its self alone, a callback its arguments.
self = false
unused_args = true

-- What one Lua has and another has not is used after a look.
read_globals = {
  'jit', 'unpack', 'loadstring', 'setfenv',
  table = { fields = { 'unpack', 'pack' } },
  math = { fields = { 'type', 'tointeger', 'maxinteger', 'mininteger' } },
  package = { fields = { 'searchpath' } },
  string = { fields = { 'pack', 'unpack' } },
  'utf8', 'warn', 'rawlen',
}

files['spec'] = { std = 'min+busted' }
files['scripts/busted.lua'] = { globals = { 'coroutine' } }
