--- A host that runs out of memory while it loads the module: each allocation fails once, and from each one on.

local child = require 'spec.support.child'

-- A C module that makes Lua states of its own.
local HOST = [[
  #include <stddef.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <sys/wait.h>
  #include <unistd.h>
  typedef struct lua_State lua_State;
  extern lua_State *lua_newstate(void *(*)(void *, void *, size_t, size_t), void *);
  extern void luaL_openlibs(lua_State *);
  extern int luaL_loadstring(lua_State *, const char *);
  extern int lua_isstring(lua_State *, int);
  extern void lua_settop(lua_State *, int);
  extern const char *lua_tolstring(lua_State *, int, size_t *);
  extern void lua_close(lua_State *);
  #if VERSION > 51
  extern int lua_pcallk(lua_State *, int, int, int, ptrdiff_t, void *);
  #define lua_pcall(state, args, results, handler) lua_pcallk(state, args, results, handler, 0, 0)
  #else
  extern int lua_pcall(lua_State *, int, int, int);
  #endif

  static long count, from, to;

  static void *allocate(void *data, void *block, size_t old_size, size_t size) {
    (void)data;
    if (size == 0) { free(block); return 0; }
    if ((block == 0 || size > old_size) && ++count >= from && count <= to) return 0;
    return realloc(block, size);
  }

  static int run(lua_State *state, const char *code) {
    return luaL_loadstring(state, code) || lua_pcall(state, 0, 0, 0);
  }

  /* Allocations that fail: from `first` to `last`. 1 if that was an error; other errors end the process. */
  static int attempt(long first, long last) {
    lua_State *state;
    int failed;
    from = 1; to = 0;
    state = lua_newstate(allocate, 0);
    luaL_openlibs(state);
    luaL_loadstring(state, "require 'jet.core'");
    count = 0; from = first; to = last;
    failed = lua_pcall(state, 0, 0, 0);
    to = 0;
    if (failed && !lua_isstring(state, -1)) { puts("the error is no string"); exit(9); }
    /* With memory all is well again. */
    if (run(state, "package.loaded['jet.core'] = nil\nlocal core = require 'jet.core'\n"
                   "assert(core.encode {1, 2} == '[1,2]' and core.loop():count() == 0)")) {
      puts(lua_tolstring(state, -1, 0));
      exit(9);
    }
    lua_close(state);
    return failed != 0;
  }

  int luaopen_host(lua_State *host) {
    long total, first;
    (void)host;
    int lasting, status;
    /* The first time the library is loaded and takes more. */
    attempt(0, 0);
    attempt(0, 0);
    count = 0;
    attempt(0, 0);
    total = count;
    if (total == 0) { puts("no allocator"); return 0; }
    for (lasting = 0; lasting < 2; lasting++) {
      int errors = 0;
      for (first = 1; first < 3000 && first <= total; first++) {
        pid_t child;
        fflush(stdout);
        child = fork();
        if (child == 0) { status = attempt(first, lasting ? 1L << 40 : first); fflush(stdout); _exit(status); }
        waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) { printf("allocation %ld: %x\n", first, status); return 0; }
        errors += WEXITSTATUS(status);
      }
      if (errors < 100) { printf("%d errors\n", errors); return 0; }
    }
    puts("good");
    return 0;
  }
]]

local shell = require 'spec.support.shell'

describe('A host without memory', function()
  local name = os.tmpname()
  local source = assert(io.open(name .. '.c', 'w'))
  source:write(HOST)
  source:close()
  local version = _VERSION:gsub('%D', '')
  local built = shell(('cc -shared -fPIC -DVERSION=%s -o %s.so %s.c'):format(version, name, name))
  os.remove(name .. '.c')
  if built ~= '0' then
    return pending 'there is no C compiler'
  end

  it('gets a Lua error from require, and can try again', function()
    local program = [[io.stdout:setvbuf 'no'; assert(package.loadlib('%s.so', 'luaopen_host'))()]]
    local file = assert(io.open(name, 'w'))
    file:write(program:format(name))
    file:close()
    local output = shell(child.interpreter .. ' ' .. name)
    os.remove(name .. '.so')
    os.remove(name)
    if output:find 'no allocator' then
      return pending 'this LuaJIT takes no other allocator'
    end
    assert.are.equal('good\n0', output)
  end)
end)
