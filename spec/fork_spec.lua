--- Programs that fork: which process goes on with the connection.

local child = require 'spec.support.child'
local jet = require 'jet'
local jetd = require 'spec.support.jetd'

-- The beginning of every program. `finish` checks that the connection works both ways, and ends.
local HEAD = [[
  local port, name = tonumber((...)), select(2, ...)
  local ffi = require 'ffi'
  ffi.cdef [=[
    int daemon(int, int);
    int fork(void);
    void _exit(int);
    int waitpid(int, int *, int);
    unsigned alarm(unsigned);
    int pipe(int *);
    long read(int, void *, unsigned long);
    long write(int, const void *, unsigned long);
  ]=]
  local C = ffi.C
  local jet = require 'jet'
  local loop = require 'jet.loop'.resolve 'builtin'
  io.stdout:setvbuf 'line'

  --- Returns a pipe on which one process waits until the other one writes.
  local function bell()
    local ends, byte = ffi.new 'int[2]', ffi.new 'char[1]'
    assert(C.pipe(ends) == 0)
    return { wait = function() C.read(ends[0], byte, 1) end, ring = function() C.write(ends[1], byte, 1) end }
  end

  local function connect(more)
    local config = { port = not (more and more.unix) and port or nil, loop = 'builtin', log = print }
    for key, value in pairs(more or {}) do config[key] = value end
    return jet.new(config)
  end

  local function finish(p)
    -- Ends what hangs; a fork does not have the alarm of its parent.
    C.alarm(25)
    p:state({ path = name .. '/late', value = 0, set = function() end }, {
      error = function(err) print('add: ' .. err.message); p:close() end,
    })
    p:set(name .. '/late', 1, {
      success = function() print 'good'; p:close() end,
      error = function(err) print('set: ' .. err.message); p:close() end,
    })
    p:loop(false)
  end
]]

--- Runs a program to the end of all its processes; gives what they print.
local function run(code)
  local file = os.tmpname()
  local output = assert(io.open(file, 'w'))
  output:write(HEAD, code)
  output:close()
  local pipe = assert(io.popen(('%s %s %d %s 2>&1'):format(child.interpreter, file, jetd.shared().port, file)))
  local printed = pipe:read '*a'
  pipe:close()
  os.remove(file)
  return printed
end

-- How far the program is when it forks.
local MOMENTS = {
  ['before it connects'] = 'local p = connect()',
  ['before it connects, with an add queued'] = [[
    local p = connect()
    p:state { path = name, value = 1, set = function() end }
  ]],
  ['after it has connected'] = [[
    local p = connect { on_connect = loop.stop }
    loop.run()
  ]],
  ['after it has added a state'] = [[
    local p = connect()
    p:state({ path = name, value = 1, set = function() end }, { success = loop.stop })
    loop.run()
  ]],
  ['with a change that has not left'] = [[
    local p = connect()
    local state = p:state({ path = name, value = 1, set = function() end }, { success = loop.stop })
    loop.run()
    for value = 2, 5 do state:value(value) end
  ]],
}

-- How its first process ends.
local WAYS = {
  ['daemon(1, 1)'] = 'assert(C.daemon(1, 1) == 0)',
  ['os.exit(0, true)'] = 'if C.fork() ~= 0 then os.exit(0, true) end',
  ['two forks'] = [[
    if C.fork() ~= 0 then C._exit(0) end
    local second = bell()
    if C.fork() ~= 0 then
      second.wait()
      C._exit(0)
    end
    -- The process between is still there when this one looks for the first time.
    loop.after(0.1, second.ring)
  ]],
  ['an end that is late'] = [[
    local looked = bell()
    if C.fork() ~= 0 then
      looked.wait()
      C._exit(0)
    end
    loop.after(0.1, looked.ring)
  ]],
}

describe('A program that puts itself into the background', function()
  if not rawget(_G, 'jit') then
    return pending 'only LuaJIT can fork without another library'
  end

  for moment, prepare in pairs(MOMENTS) do
    for way, fork in pairs(WAYS) do
      it('goes on with its peer: ' .. moment .. ', ' .. way, function()
        assert.are.equal('good\n', run(prepare .. '\n' .. fork .. '\nfinish(p)'))
      end)
    end
  end

  it('goes on with a blocking peer', function()
    assert.are.equal('good\n', run [[
      local p = jet.new { sync = true, port = port }
      p:state { path = name, value = 1, set = function() end }
      assert(C.daemon(1, 1) == 0)
      C.alarm(25)
      p:set(name, 2)
      assert(p:get(name) == 2)
      print 'good'
    ]])
  end)

  it('goes on in the loop of the program, too', function()
    assert.are.equal('good\n', run [[
      local ev = require 'jet.ev'
      local p
      p = jet.new { port = port, loop = ev.Loop.default, log = print, on_connect = function()
        p:state({ path = name, value = 1, set = function() print 'good'; p:close() end }, {
          success = function()
            p:set(name, 2)
          end,
        })
      end }
      assert(C.daemon(1, 1) == 0)
      C.alarm(25)
      ev.Loop.default:loop()
    ]])
  end)
end)

describe('A daemon that is put into the background', function()
  if not rawget(_G, 'jit') then
    return pending 'only LuaJIT can fork without another library'
  end

  -- As the earlier `jetd.lua` does it: the sockets first.
  local DAEMON = [[
    local function log(text)
      print(text)
      if text:find 'goes on' then loop.stop() end
    end
    local daemon = jet.daemon.new { port = 0, ws_port = 0, interface = '127.0.0.1', unix = UNIX, loop = 'builtin', log = log }
    daemon.start()
    local early
    early = jet.new { port = daemon.port(), loop = 'builtin', on_connect = loop.stop, on_close = function(_, reason)
      print(reason)
      early = nil
    end }
    loop.run()
    FORK
    C.alarm(25)
    loop.run()
    local late
    late = connect { port = PORT, unix = UNIX, on_close = loop.stop }
    late:state({ path = 'x', value = 1 }, { success = function() late:close() end })
    loop.run()
    -- Its descriptor may be looked at later than the daemon.
    while early do loop.step(1) end
    daemon.stop()
    print(early, UNIX and io.open(UNIX) or 'good')
  ]]

  --- Returns the output of such a daemon.
  local function served(fork, port, unix)
    local code = DAEMON:gsub('FORK', fork):gsub('PORT', port):gsub('UNIX', unix)
    return run(code)
  end

  for way, fork in pairs(WAYS) do
    it('serves on its port: ' .. way, function()
      local output = served(fork, 'daemon.port()', 'nil')
      -- The log and the end of the connection come in either order.
      assert.matches('process %d+ goes on with the daemon\n', output)
      assert.matches('connection closed by the daemon\n', output, 1, true)
      assert.matches('\nnil\tgood\n$', output)
      assert.are.equal(3, select(2, output:gsub('\n', '')))
    end)
  end

  -- Forks like the earlier `jetd.lua`, with `jet.ev` instead of lua-ev.
  local OLD_JETD = [[
    local ev = require 'jet.ev'
    local options, daemonize = { interface = '127.0.0.1', loop = ev.Loop.default, info = print }, nil
    for _, option in ipairs { FLAGS } do
      if option == '-d' then
        daemonize = function() assert(C.daemon(1, 1) == 0) end
      else
        options[option:sub(2, 2) == 'p' and 'port' or 'ws_port'] = tonumber(option:sub(3))
      end
    end
    local daemon = jet.daemon.new(options)
    local SIGTERM = 15
    ev.Signal.new(function(_, signal)
      signal:stop(ev.Loop.default)
      daemon.stop()
      ev.Loop.default:unloop()
      print 'stopped'
    end, SIGTERM):start(ev.Loop.default)
    daemon.start()
    if daemonize then daemonize() end
    C.alarm(25)
    print(require 'jet.core'.pid())
    ev.Loop.default:loop()
  ]]

  it('serves on all its ports as the old program for it has it', function()
    local tcp, websocket = jetd.free_port(), jetd.free_port()
    for _, flags in ipairs { "'-d', '-p%d', '-w%d'", "'-p%d', '-w%d', '-d'" } do
      local file = os.tmpname()
      local program = assert(io.open(file, 'w'))
      program:write(HEAD, (OLD_JETD:gsub('FLAGS', flags:format(tcp, websocket))))
      program:close()
      local pipe = assert(io.popen(('%s %s; echo parent $?'):format(child.interpreter, file)))
      -- Three lines; which process prints first is not known.
      local lines = pipe:read() .. '\n' .. pipe:read() .. '\n' .. pipe:read() .. '\n'
      local process = ('\n' .. lines):match '\n(%d+)\n'
      assert.matches('parent 0\n', lines, 1, true)
      assert.matches('process ' .. process .. ' goes on with the daemon\n', lines, 1, true)
      local peer = jet.new { sync = true, port = tcp }
      peer:state { path = 'a', value = 1 }
      assert.are.equal(1, jet.new({ sync = true, url = ('ws://127.0.0.1:%d/'):format(websocket) }):get 'a')
      os.execute('kill ' .. process)
      local output = pipe:read '*a'
      pipe:close()
      os.remove(file)
      assert.are.equal('stopped\n', output)
    end
  end)

  it('serves on its Unix socket, which is gone when it stops', function()
    for _, way in ipairs { 'daemon(1, 1)', 'os.exit(0, true)' } do
      local path = os.tmpname()
      os.remove(path)
      local output = served(WAYS[way], 'nil', ('%q'):format(path))
      assert.matches('\nnil\tgood\n$', output)
      assert.is_nil(io.open(path))
    end
  end)

  it('keeps the passwords that peers have changed', function()
    local output = run [[
      local function log(text)
        if text:find 'goes on' then loop.stop() end
      end
      local daemon = jet.daemon.new { port = 0, interface = '127.0.0.1', loop = 'builtin', log = log,
        users = { ann = { password = 'old', auth = {} } } }
      daemon.start()

      --- Sends requests on a connection of its own; prints whether the last one was granted.
      local function ask(...)
        local connection, granted = require 'socket'.connect('127.0.0.1', daemon.port()), nil
        for id, text in ipairs { ... } do
          text = ('{"id":%d,%s}'):format(id, text)
          connection:send(string.char(0, 0, 0, #text) .. text)
          local _, _, high, low = connection:receive(4):byte(1, 4)
          granted = connection:receive(high * 256 + low):find('"result"', 1, true) ~= nil
        end
        connection:close()
        print(granted)
      end

      local function login(password)
        return ('"method":"authenticate","params":{"user":"ann","password":"%s"}'):format(password)
      end
      ask(login 'old', '"method":"passwd","params":{"user":"ann","password":"new"}')
      assert(C.daemon(1, 1) == 0)
      C.alarm(25)
      loop.run()
      ask(login 'old')
      ask(login 'new')
      daemon.stop()
    ]]
    assert.are.equal('true\nfalse\ntrue\n', output)
  end)
end)

describe('A program that forks a worker', function()
  if not rawget(_G, 'jit') then
    return pending 'only LuaJIT can fork without another library'
  end

  it('keeps its connections, and the worker says once that its copies are dead', function()
    local output = run [[
      local first, second = connect(), connect()
      first:state({ path = name, value = 1, set = function() end }, { success = loop.stop })
      loop.run()
      local process = C.fork()
      C.alarm(25)
      if process == 0 then
        local from = require 'jet.core'.now()
        for _, p in ipairs { first, second } do
          p:set(name, 'from the worker')
          p:loop(false)
        end
        print(require 'jet.core'.now() - from < 4.5 and 'in time' or 'late')
        return
      end
      -- A turn of the loop is enough.
      loop.after(0, loop.stop)
      loop.run()
      C.waitpid(process, ffi.new 'int[1]', 0)
      second:fetch({ path = { equals = name } }, function(_, _, value)
        print('value ' .. tostring(value))
        finish(first)
        second:close()
      end)
      second:loop()
    ]]
    assert.matches('^process %d+ was forked from one that goes on: [^\n]*\nin time\nvalue 1\ngood\n$', output)
  end)

  -- Not luv: its descriptor for epoll cannot be renewed, so a worker takes what it forgets out of the parent's loop.
  for _, library in ipairs { 'builtin', 'ev', 'copas', 'cqueues' } do
    it('keeps what its loop watches: ' .. library, function()
      if library ~= 'builtin' and not pcall(require, library) then
        return pending('library ' .. library .. ' is missing for this Lua')
      end
      assert.are.equal('7\n', run((([[
        local adapter = require 'jet.loop'.resolve 'LIBRARY'
        local p = jet.new { port = port, loop = 'LIBRARY', log = function() end }
        p:state({ path = name, value = 1, set = function(value) print(value); p:close() end }, { success = adapter.stop })
        p:loop(false)
        local process = C.fork()
        C.alarm(25)
        if process == 0 then
          p:loop(false)
          C._exit(0)
        end
        C.waitpid(process, ffi.new 'int[1]', 0)
        local command = [=[%s -e 'local p = require "jet".new { sync = true, port = %d } pcall(p.set, p, "%s", 7)' &]=]
        os.execute(command:format(arg[-1], port, name))
        p:loop(false)
      ]]):gsub('LIBRARY', library))))
    end)
  end

  it('keeps its daemon', function()
    local output = run [[
      local daemon = jet.daemon.new { port = 0, interface = '127.0.0.1', loop = 'builtin', log = print }
      daemon.start()
      local p = jet.new { sync = true, port = daemon.port() }
      p:state { path = 'x', value = 1 }
      local process = C.fork()
      C.alarm(25)
      if process == 0 then
        loop.after(10, loop.stop)
        loop.run()
        print(daemon.port())
        return
      end
      daemon.port()
      C.waitpid(process, ffi.new 'int[1]', 0)
      assert(p:get 'x' == 1)
      assert(jet.new { sync = true, port = daemon.port() }:get 'x' == 1)
      daemon.stop()
      print 'good'
    ]]
    assert.matches('^process %d+ was forked from one that goes on: [^\n]*\nnil\ngood\n$', output)
  end)

  it('keeps its connections when the worker waits in vain', function()
    local output = run [[
      local closed
      local p = connect { on_close = function(_, reason) closed = reason end }
      p:state({ path = name, value = 1, set = function() end }, { success = loop.stop })
      loop.run()
      local process = C.fork()
      C.alarm(25)
      if process == 0 then
        p:set(name, 2)
        p:loop(false)
        print(closed)
        return
      end
      C.waitpid(process, ffi.new 'int[1]', 0)
      finish(p)
    ]]
    local reason = 'the connection is that of the process this one was forked from'
    assert.matches('^process %d+ was forked[^\n]*\n' .. reason .. '\ngood\n$', output)
  end)
end)
