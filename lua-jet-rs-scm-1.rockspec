-- Lets luarocks build and install the modules: `luarocks make` in this directory. The Makefile does the work.
rockspec_format = '3.0'
package = 'lua-jet-rs'
version = 'scm-1'

-- The directory of this file: there is no archive to fetch. `luarocks make` does not use it.
source = {
  url = 'git+file://.',
}

description = {
  summary = 'Jet bus for Lua: jet.peer and jet.daemon with the engine in Rust',
  detailed = [[
    A peer and a daemon of the Jet bus: states, methods and live queries shared between programs
    as JSON over TCP, WebSocket and Unix sockets. Runs programs written for the Lua module of the same name unchanged.
    Building needs Rust (cargo) and a C compiler, but no header of Lua.]],
  license = 'MIT',
}

supported_platforms = { 'linux' }

dependencies = {
  'lua >= 5.1, < 5.5',
}

build = {
  type = 'make',
  build_target = 'build jetd',
  install_target = 'install',
  build_variables = {
    LUA = '$(LUA)',
  },
  install_variables = {
    LUA = '$(LUA)',
    LUADIR = '$(LUADIR)',
    LIBDIR = '$(LIBDIR)',
    BINDIR = '$(BINDIR)',
  },
}
