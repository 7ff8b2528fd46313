--- `bin/jetd.lua` as start scripts call it: its flags, its log, and how it ends.

local free_port = require('spec.support.jetd').free_port
local jet = require 'jet'

--- Returns the interpreter that runs this file, as a shell word.
local function interpreter()
  local first = 0
  while arg and arg[first - 1] do
    first = first - 1
  end
  if first < 0 then
    return "'" .. arg[first] .. "'"
  end
  return jit and 'luajit' or 'lua' .. _VERSION:match '%d.%d'
end

--- Runs a shell script with $JETD for the program; gives all it prints.
---@param script string
---@return string
local function shell(script)
  local pipe = assert(io.popen(("JETD='%s bin/jetd.lua'\n%s"):format(interpreter():gsub("'", ''), script)))
  local output = pipe:read '*a'
  pipe:close()
  return output
end

describe('bin/jetd.lua', function()
  it('explains its flags', function()
    local output = shell '$JETD -h 2>/dev/null; echo status $?'
    assert.is_truthy(output:find('-p<port>', 1, true), output)
    assert.is_truthy(output:find('status 0\n', 1, true), output)
    for flags, problem in pairs {
      ['-x'] = 'unknown flag -x',
      ['-p'] = '-p needs a port',
      ['-w'] = '-w needs a port',
      ['-pabc'] = "-p needs a port, not 'abc'",
      ['--pidfile'] = '--pidfile needs a value',
    } do
      output = shell('$JETD ' .. flags .. ' 2>&1; echo status $?')
      assert.are.equal('jetd.lua: ' .. problem .. '\n', output:match '^[^\n]*\n')
      assert.is_truthy(output:find('usage:', 1, true), output)
      assert.is_truthy(output:find('status 1\n', 1, true), output)
    end
  end)

  it('serves with the flags of old until it gets a signal', function()
    for _, signal in ipairs { 'TERM', 'INT', 'QUIT' } do
      local port = free_port()
      -- A shell has its background jobs ignore INT and QUIT; jetd catches them all the same.
      local script = [[
        $JETD -p%d -w0 2>&1 &
        for try in 1 2 3 4 5 6 7 8 9 10; do
          %s -e 'os.exit(pcall(require("jet").new, {sync = true, port = %d}) and 0 or 1)' && break
          sleep 0.2
        done
        kill -%s $!; wait $!; echo status $?]]
      local output = shell(script:format(port, interpreter(), port, signal))
      local expected = '^jetd.lua listens on port %d\nwithout users, whoever reaches %%S+:%d or %%S+ may [^\n]+\nstatus 0\n$'
      assert.is_truthy(output:find(expected:format(port, port)), output)
    end
  end)

  it('offers the simple fetch mode', function()
    local port = free_port()
    local script = [[
      $JETD -p%d -w0 --simple-fetch -d >/dev/null 2>&1 --pidfile %s; echo status $?
      %s -e '
        local _, info = require("jet").new({ sync = true, port = %d })._driver.engine:info()
        print(info:match "fetch.:.%%a+")'
      kill $(cat %s)]]
    local pidfile = os.tmpname()
    local output = shell(script:format(port, pidfile, interpreter(), port, pidfile))
    os.remove(pidfile)
    assert.are.equal('status 0\nfetch":"simple\n', output)
  end)

  it('goes into the background once its ports are bound', function()
    for _, flags in ipairs { '-d -p%d -w%d', '-p%d -w%d --daemon' } do
      local port, ws_port, pidfile, log = free_port(), free_port(), os.tmpname(), os.tmpname()
      local script = [[
        $JETD FLAGS --pidfile %s >%s 2>&1 </dev/null; echo status $?
        pid=$(cat %s)
        # Nobody has to wait for its ports now.
        %s -e '
          local jet = require "jet"
          jet.new({ sync = true, port = %d }):state { path = "x", value = 1 }
          jet.new { sync = true, url = "ws://127.0.0.1:%d/" }
          print "served"'
        set -- $(cat /proc/$pid/stat)
        [ "$6" = $pid ] && echo a session of its own
        kill $pid
        for try in $(seq 500); do [ -e %s ] || break; sleep 0.02; done
        [ -e %s ] || echo ended
        cat %s]]
      script = script:gsub('FLAGS', (flags:format(port, ws_port):gsub('%%', '%%%%')))
      local output = shell(script:format(pidfile, log, pidfile, interpreter(), port, ws_port, pidfile, pidfile, log))
      local expected = 'status 0\nserved\na session of its own\nended\njetd.lua listens on port ' .. port
      assert.are.equal(expected, output:sub(1, #expected), output)
      os.remove(pidfile)
      os.remove(log)
    end
  end)

  it('reads its users again on SIGHUP', function()
    local pidfile, log, users = os.tmpname(), os.tmpname(), os.tmpname()
    local script = [[
      USERS=%s PIDFILE=%s LOG=%s
      echo '{"users":{}}' >$USERS; chmod 600 $USERS
      $JETD -d -p0 -w0 --interface 127.0.0.1 --users $USERS --pidfile $PIDFILE >$LOG 2>&1
      for signal in HUP TERM; do
        kill -$signal $(cat $PIDFILE)
        [ $signal = TERM ] || for try in $(seq 500); do grep -q again $LOG && break; sleep 0.02; done
      done
      for try in $(seq 500); do [ -e $PIDFILE ] || break; sleep 0.02; done
      [ -e $PIDFILE ] || echo ended
      cat $LOG]]
    local output = shell(script:format(users, pidfile, log))
    for _, path in ipairs { pidfile, log, users } do
      os.remove(path)
    end
    local expected = '^ended\njetd.lua listens on port %d+\nthe users are read again: 0 may log in now\n$'
    assert.is_truthy(output:find(expected), output)
  end)

  it('fails in the foreground when it cannot work in the background', function()
    local daemon = jet.daemon.new { port = 0, loop = 'builtin', log = false }
    daemon.start()
    local output = shell(('$JETD -d -p%d -w0 2>&1; echo status $?'):format(daemon.port()))
    daemon.stop()
    assert.is_truthy(output:find('address already in use', 1, true), output)
    assert.is_truthy(output:find('status 1\n', 1, true), output)
    output = shell '$JETD -d -p0 -w0 --pidfile=/nowhere/pid 2>&1; echo status $?'
    assert.is_truthy(output:find('cannot write /nowhere/pid', 1, true), output)
    assert.is_truthy(output:find('status 1\n', 1, true), output)
  end)

  it('needs its WebSocket port in the background', function()
    local daemon = jet.daemon.new { port = 0, loop = 'builtin' }
    daemon.start()
    local flags = ('-d -p0 -w%d --interface 127.0.0.1'):format(daemon.port())
    local output = shell(('$JETD %s 2>&1; echo status $?'):format(flags))
    daemon.stop()
    assert.is_truthy(output:find(('port %s: address already in use'):format(flags:match '-w(%d+)'), 1, true), output)
    assert.is_truthy(output:find('status 1\n', 1, true), output)
  end)

  it('takes users from a file, and warns of none then', function()
    local path = os.tmpname()
    local file = assert(io.open(path, 'w'))
    -- The hash of 'secret', at the least cost.
    file:write [[{"users": {"ann": {"auth": {"fetchGroups": ["a"]}, "hash":
      "$argon2id$v=19$m=8,t=1,p=1$juVur+M5azaY0xtjoZ1dHw$nAzBNPbeaqpgma7CF9rr0rQD7yJKW8gtBJkw47546bo"}}}]]
    file:close()
    local port = free_port()
    for _, flag in ipairs { '--users ', '--users=' } do
      local script = [[
        chmod 600 %s
        $JETD -p%d -w0 %s%s 2>&1 &
        for try in 1 2 3 4 5 6 7 8 9 10; do
          %s -e '
            local ok, peer = pcall(require("jet").new, {sync = true, port = %d})
            os.exit(ok and 0 or 1)' && break
          sleep 0.2
        done
        kill $!; wait $!; echo status $?]]
      local output = shell(script:format(path, port, flag, path, interpreter(), port))
      assert.are.equal(('jetd.lua listens on port %d\nstatus 0\n'):format(port), output)
    end
    os.remove(path)
    for flag, expected in pairs { ['--users ' .. path] = 'cannot read ' .. path, ['--users'] = 'usage:' } do
      local output = shell('$JETD -p0 -w0 ' .. flag .. ' 2>&1; echo status $?')
      assert.is_truthy(output:find(expected, 1, true), output)
      assert.is_truthy(output:find('status 1\n', 1, true), output)
    end
  end)

  it('refuses odd values in a sentence', function()
    for flag, expected in pairs { ['-p1.5'] = 'options.port', ['-w-1'] = 'options.ws_port', ['--allow-host ""'] = 'no host' } do
      local output = shell('$JETD -p0 -w0 ' .. flag .. ' 2>&1; echo status $?')
      assert.is_truthy(output:find('^jetd.lua: '), output)
      assert.is_truthy(output:find(expected, 1, true), output)
      assert.is_truthy(output:find('status 1\n', 1, true), output)
    end
  end)

  it('says why it cannot start', function()
    local daemon = jet.daemon.new { port = 0, loop = 'builtin', log = false }
    daemon.start()
    local output = shell(('$JETD -p%d 2>&1; echo status $?'):format(daemon.port()))
    daemon.stop()
    assert.is_truthy(output:find('address already in use', 1, true), output)
    assert.is_truthy(output:find('status 1\n', 1, true), output)
  end)
end)
