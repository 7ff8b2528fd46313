--- lua-ev stays loaded when the Lua state that loaded it is closed. Its part is played by a module that does what
-- libev does: it has a handler of SIGCHLD and never takes it back.

local child = require 'spec.support.child'

local LIBEV = [[
  #include <signal.h>
  #include <string.h>
  static volatile int calls;
  static void on_child(int number) { calls += number; }
  void start(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_child;
    action.sa_flags = SA_RESTART;
    sigaction(SIGCHLD, &action, 0);
  }
]]

local EV = [[
  typedef struct lua_State lua_State;
  extern void lua_createtable(lua_State *, int, int);
  extern void lua_pushcclosure(lua_State *, int (*)(lua_State *), int);
  extern void lua_setfield(lua_State *, int, const char *);
  extern void start(void);
  static int nothing(lua_State *state) { (void)state; return 0; }
  int luaopen_ev(lua_State *state) {
    start();
    lua_createtable(state, 0, 0);
    lua_createtable(state, 0, 0);
    lua_pushcclosure(state, nothing, 0);
    lua_setfield(state, -2, "new");
    lua_createtable(state, 0, 0);
    lua_setfield(state, -2, "default");
    lua_setfield(state, -2, "Loop");
    return 1;
  }
]]

local PROGRAM = [[
  local uv = require 'luv'
  uv.new_thread(function()
    -- That it finds no loop in there does not matter.
    pcall(require 'jet'.new, { port = 1 })
    assert(package.loaded.ev)
  end):join()
  local found = 0
  for line in io.lines '/proc/self/maps' do
    if line:find('/ev.so', 1, true) or line:find('/libevpart.so', 1, true) then found = found + 1 end
  end
  assert(found > 1, 'unloaded')
  io.popen 'true':close()
  print 'good'
]]

local function write(name, text)
  local file = assert(io.open(name, 'w'))
  file:write(text)
  file:close()
end

local shell = require 'spec.support.shell'

describe('lua-ev', function()
  if not pcall(require, 'luv') then
    return pending 'library luv is missing for this Lua'
  elseif not shell('command -v cc'):find '\n0$' then
    return pending 'there is no C compiler'
  end

  it('stays loaded when the Lua state that loaded it is closed', function()
    local directory = os.tmpname() .. '.d'
    assert.are.equal('0', shell('mkdir ' .. directory))
    write(directory .. '/part.c', LIBEV)
    write(directory .. '/ev.c', EV)
    write(directory .. '/program.lua', PROGRAM)
    local build = [[
      cd %s && cc -shared -fPIC -o libevpart.so part.c &&
      cc -shared -fPIC -o ev.so ev.c -L. -levpart -Wl,-rpath,%s]]
    assert.are.equal('0', shell(build:format(directory, directory)))
    local run = "LUA_CPATH='%s/?.so;%s' %s %s/program.lua"
    local output = shell(run:format(directory, os.getenv 'LUA_CPATH' or ';', child.interpreter, directory))
    shell('rm -r ' .. directory)
    assert.are.equal('good\n0', output)
  end)
end)
