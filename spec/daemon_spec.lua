--- The daemon as Lua programs have it: `jet.daemon.new`, `start`, `stop`, and its log.

local child = require 'spec.support.child'
local daemon = require 'jet.daemon'
local jet = require 'jet'
local builtin = require 'jet.loop.builtin'

--- Runs a loop until `done` says so, or fails.
---@param loop jet.BuiltinLoop
---@param done fun(): boolean
local function run_until(loop, done)
  local late = false
  local cancel = loop.after(10, function()
    late = true
  end)
  while not done() and not late do
    loop.step(0.1)
  end
  cancel()
  assert.is_false(late, 'it took too long')
end

--- Returns the message of an error that `f` must raise.
---@param f function
---@return string
local function raised(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe('jet.daemon', function()
  local loop, running

  --- Makes and starts a daemon on a free port that ends with the test.
  ---@param options? table
  ---@return jet.Daemon
  local function started(options)
    options = options or {}
    options.port, options.loop = options.port or 0, loop
    if not (options.info or options.crit) then
      options.log = options.log or false
    end
    local instance = daemon.new(options)
    instance.start()
    running[#running + 1] = instance
    return instance
  end

  local function sync_peer(instance)
    return jet.new { sync = true, port = instance.port() }
  end

  before_each(function()
    loop, running = builtin.new(), {}
  end)

  after_each(function()
    for _, instance in ipairs(running) do
      pcall(instance.stop)
    end
  end)

  it('is also jet.daemon', function()
    assert.are.equal(daemon, jet.daemon)
  end)

  it('answers while Lua is busy, so a sync peer in the same program works', function()
    local peer = sync_peer(started())
    peer:state { path = 'a', value = { 1, false } }
    assert.are.same({ 1, false }, peer:get('a'))
    peer:close()
  end)

  it('starts and stops called with a dot or a colon', function()
    local instance = daemon.new { port = 0, loop = loop, log = false }
    instance:start()
    local port = instance:port()
    assert.is_number(port)
    instance:stop()
    assert.is_nil(instance.port())
    instance.start()
    instance.stop()
  end)

  it('takes the port as a number in a string', function()
    local port = started().port()
    running[1].stop()
    assert.are.equal(port, started({ port = tostring(port) }).port())
  end)

  it('begins empty when it is started again', function()
    local instance = started()
    local peer = sync_peer(instance)
    peer:state { path = 'a', value = 1 }
    instance.stop()
    instance.start()
    assert.are.same({}, sync_peer(instance):fetch({}))
  end)

  it('ends its connections when it stops', function()
    local reason
    local instance = started()
    local peer
    peer = jet.new {
      port = instance.port(),
      loop = loop,
      on_connect = function()
        instance.stop()
      end,
      on_close = function(_, why)
        reason = why
      end,
    }
    run_until(loop, function()
      return reason ~= nil
    end)
    assert.is_string(reason)
    peer:close()
  end)

  it('raises at the caller when it cannot start or stop', function()
    local here = 'daemon_spec.lua'
    local instance = started()
    local message = raised(function()
      instance.start()
    end)
    assert.is_truthy(message:find(here, 1, true), message)
    assert.is_truthy(message:find('the daemon is running already$'), message)
    local second = daemon.new { port = instance.port(), loop = loop, log = false }
    message = raised(function()
      second:start()
    end)
    assert.is_truthy(message:find(here, 1, true), message)
    assert.is_truthy(message:find('address already in use', 1, true), message)
    message = raised(function()
      second:stop()
    end)
    assert.is_truthy(message:find(here, 1, true), message)
    -- It starts once the port is free.
    instance.stop()
    second.start()
    second.stop()
  end)

  it('names the option that is wrong, at the caller', function()
    local cases = {
      { { port = 'abc' }, 'options.port' },
      { { port = 65536 }, 'options.port' },
      { { port = -1 }, 'options.port' },
      { { ws_port = 1.5 }, 'options.ws_port' },
      { { log = true }, 'options.log' },
      { { crit = 'x' }, 'options.crit' },
      { { interface = 5 }, 'options.interface' },
      { { max_message = 0 }, 'options.max_message' },
      { { timeout = 'x' }, 'options.timeout' },
      { { timeout = 0 / 0 }, 'options.timeout' },
      { { timeout = -1 }, 'options.timeout' },
      { { timeout = 0 }, 'options.timeout' },
      { { timeout = math.huge }, 'options.timeout' },
      { { max_unsent = 0 / 0 }, 'options.max_unsent' },
      { { port = 0 / 0 }, 'options.port' },
      { { unix_mode = '888' }, 'options.unix_mode' },
      { { tls = { cert = 'x' } }, "did you mean 'certificate'" },
      { { loop = 5 }, 'loop' },
      { 5, 'options' },
    }
    for _, case in ipairs(cases) do
      local message = raised(function()
        daemon.new(case[1])
      end)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_truthy(message:find('daemon_spec.lua', 1, true), message)
    end
  end)

  it('warns of unknown options, but not of those that old programs pass', function()
    local lines = {}
    local function log(text)
      lines[#lines + 1] = text
    end
    daemon.new { port = 0, loop = loop, log = log, print = print, interface = '127.0.0.1', debug = log }
    assert.are.same({}, lines)
    daemon.new { port = 0, loop = loop, log = log, inteface = 'x' }
    assert.are.equal(1, #lines)
    assert.is_truthy(lines[1]:find("'interface'", 1, true), lines[1])
  end)

  it('logs on the Lua thread when the loop runs', function()
    local lines, frames = {}, {}
    local instance = started {
      interface = '127.0.0.1',
      info = function(text)
        lines[#lines + 1] = text
      end,
      debug = function(name, direction, json)
        frames[#frames + 1] = name .. direction .. json
      end,
    }
    local peer = sync_peer(instance)
    peer:config { name = 'me', debug = true }
    peer:config { debug = false }
    pcall(peer.fetch, peer, { path = { startWith = 'x' } })
    assert.are.equal(0, #frames)
    run_until(loop, function()
      return #frames >= 2 and #lines > 0
    end)
    assert.is_truthy(frames[1]:find('^me<%-{"id":%d+,"result":true}$'), frames[1])
    assert.is_truthy(frames[2]:find('^me%->{.*"debug":false'), frames[2])
    assert.is_truthy(lines[1]:find('startsWith', 1, true), lines[1])
  end)

  it('goes on when a log function raises', function()
    local calls = 0
    local stderr = io.stderr
    io.stderr = { write = function() end } -- luacheck: ignore 122
    local instance = started {
      interface = '127.0.0.1',
      info = function()
        calls = calls + 1
        error('no')
      end,
    }
    local peer = sync_peer(instance)
    for _ = 1, 3 do
      pcall(peer.fetch, peer, { path = { startWith = 'x' } })
    end
    run_until(loop, function()
      return calls == 3
    end)
    io.stderr = stderr -- luacheck: ignore 122
  end)

  it('keeps the loop running until it is stopped', function()
    local instance = started()
    local stopped = false
    loop.after(0.05, function()
      stopped = true
      instance.stop()
    end)
    loop.run()
    assert.is_true(stopped)
  end)

  it('ends when it is collected', function()
    local port
    do
      local function nothing() end
      local function after() return nothing end
      local own = { watch = nothing, after = after, run = nothing, stop = nothing }
      local instance = daemon.new { port = 0, loop = own, log = false }
      instance.start()
      port = instance.port()
    end
    collectgarbage()
    collectgarbage()
    started { port = port }
  end)

  it('goes on without its WebSocket port if that is taken', function()
    local crit = {}
    local instance = started()
    local second = started {
      ws_port = instance.port(),
      crit = function(text)
        crit[#crit + 1] = text
      end,
    }
    run_until(loop, function()
      return #crit > 0
    end)
    assert.is_truthy(crit[1]:find('address already in use', 1, true), crit[1])
    assert.are.same({}, sync_peer(second):fetch({}))
  end)

  it('keeps the limits it is given', function()
    local instance = started { max_message = 1000, max_requests = 1, timeout = 0.05 }
    local peer = sync_peer(instance)
    local owner = jet.new { sync = true, port = instance.port() }
    owner:state { path = 'a', value = 1 }
    local ok, err = pcall(peer.set, peer, 'a', 2)
    assert.is_false(ok)
    assert.are.equal(-32001, err.code)
    assert.is_false(pcall(peer.call, peer, 'a', { ('x'):rep(1000) }))
  end)

  it('limits the fetches of one peer', function()
    local instance = started { max_fetches = 2 }
    local port = instance.port()
    local peer = jet.new { port = port, loop = loop }
    local refusal
    for _ = 1, 2 do
      peer:fetch({ path = { equals = 'a' } }, function() end)
    end
    peer:fetch({ path = { equals = 'b' } }, function() end, {
      error = function(err)
        refusal = err
      end,
    })
    run_until(loop, function()
      return refusal
    end)
    assert.are.equal(-32602, refusal.code)
    assert.is_string(refusal.data.tooManyFetches)
    peer:close()
  end)

  it('makes the files of Unix sockets with the mode asked for, and replaces no other file', function()
    local path = os.tmpname()
    local file = assert(io.open(path, 'w'))
    file:write 'precious'
    file:close()
    local message = raised(daemon.new({ port = 0, loop = loop, unix = path }).start)
    assert.is_truthy(message:find('is not a socket', 1, true), message)
    file = assert(io.open(path))
    assert.are.equal('precious', file:read '*a')
    file:close()
    os.remove(path)
    for mode, given in pairs { [660] = false, [600] = '0600', [666] = 666 } do
      local instance = started { unix = path, unix_mode = given or nil }
      local pipe = assert(io.popen('stat -c %a ' .. path))
      assert.are.equal(tostring(mode), pipe:read '*l')
      pipe:close()
      local peer = jet.new { sync = true, unix = path }
      assert.are.same({}, peer:fetch({}))
      peer:close()
      instance.stop()
      assert.is_nil(io.open(path))
    end
  end)

  it('says once where it cannot listen', function()
    local instance = started()
    local message = raised(daemon.new({ port = instance.port(), loop = loop }).start)
    local _, count = message:gsub('cannot listen on port', '')
    assert.are.equal(1, count)
  end)

  it('warns of other machines at the start and names the option', function()
    local lines = {}
    local instance = started {
      log = function(text)
        lines[#lines + 1] = text
      end,
    }
    instance.stop()
    assert.is_truthy(lines[1]:find('^without users, .* interface %('), lines[1])
    assert.is_nil(lines[2])
  end)

  it('writes important lines to standard error if there is no function for the log', function()
    local code = [[
      local mode, taken = ...
      local options = { port = 0, ws_port = tonumber(taken) }
      if mode == 'silent' then options.log = false end
      if mode == 'info' then options.info = function() end end
      local instance = require 'jet.daemon'.new(options)
      instance.start()
      instance.stop()
    ]]
    local taken = started({ interface = '127.0.0.1' }).port()
    local status, text = child.run(code, 'plain', taken)
    assert.are.equal(0, status, text)
    assert.is_truthy(text:find('jet: without users, whoever reaches ', 1, true), text)
    assert.is_truthy(text:find('address already in use', 1, true), text)
    for _, mode in ipairs { 'silent', 'info' } do
      status, text = child.run(code, mode, taken)
      assert.are.same({ 0, '' }, { status, text })
    end
  end)

  it('counts the lines that the program did not take', function()
    local lines = {}
    local instance = started {
      interface = '127.0.0.1',
      crit = function(text)
        lines[#lines + 1] = text
      end,
      debug = function() end,
    }
    local peer = sync_peer(instance)
    peer:config { name = 'me', debug = true }
    local filler = { ('x'):rep(1000000) }
    for _ = 1, 20 do
      pcall(peer.call, peer, 'nothing', filler)
    end
    instance.stop()
    -- Short lines may fit between long ones that do not.
    assert.is_true(#lines > 0)
    for _, line in ipairs(lines) do
      assert.is_truthy(line:find('^%d+ lines dropped'), line)
    end
  end)

  it('has peers say after which message it closed', function()
    local instance = started { max_message = 1000 }
    local reason
    local peer = jet.new {
      port = instance.port(),
      loop = loop,
      log = function() end,
      on_close = function(_, why)
        reason = why
      end,
    }
    peer:state { path = 'a', value = ('x'):rep(2000) }
    run_until(loop, function()
      return reason ~= nil
    end)
    assert.is_truthy(reason:find '^the daemon closed the connection after a message of 20%d%d bytes$', reason)
  end)

  it('listens on one interface', function()
    local instance = started { interface = 'localhost' }
    local peer = jet.new { sync = true, ip = 'localhost', port = instance.port() }
    assert.are.same({}, peer:fetch({}))
    assert.is_truthy(raised(daemon.new({ port = 0, loop = loop, interface = '192.0.2.1' }).start):find('cannot listen'))
  end)
end)
