--- Failures of requests without callbacks: they go to the log, and without a log function
-- to standard error.

local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local HEAD = [[
  local port = tonumber((...))
  local peer = require 'jet.peer'
]]

--- Returns the output of a program, which must succeed.
local function output(code, ...)
  local status, text = child.run(HEAD .. code, ...)
  assert.are.equal(0, status, text)
  return text
end

--- Returns the number of times that a text occurs in another one.
local function occurrences(text, wanted)
  local n, at = 0, 1
  while true do
    local from, to = text:find(wanted, at, true)
    if not from then
      return n
    end
    n, at = n + 1, to + 1
  end
end

describe('A refusal that has no callback', function()
  after_each(support.cleanup)

  it('is logged for a fetch, which is over then', function()
    local p = support.connected()
    local fetcher = p:fetch({ path = { startsWith = 5 } }, error)
    support.wait_log '^a fetch of {.*startsWith.*} failed: .*path%.startsWith'
    assert.is_false(fetcher:is_fetching())
  end)

  it('shows the beginning of the expression of a fetch, in whole characters', function()
    local p = support.connected()
    for shift = 0, 1 do
      local path = ('x'):rep(shift) .. ('ä'):rep(100)
      p:fetch({ path = { startsWith = 5, equals = path } }, error)
      support.wait_log '^a fetch of {[^}]*ä… failed: '
    end
  end)

  it('is logged for add, remove and unfetch', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      for _, service in ipairs { 'add', 'fetch', 'add', 'remove', 'unfetch', 'remove' } do
        local message = connection:expect(service)
        assert.is_truthy(message.id, service)
        if service == 'fetch' or message.params.path == 'kept' and service == 'add' then
          connection:reply(message, true)
        else
          connection:send { id = message.id, error = { code = -32602, message = 'Not now' } }
        end
      end
    end)
    local p = support.connected { port = server.port }
    local state = p:state { path = 'kept', value = 1 }
    local fetcher = p:fetch('kept', error)
    local refused = p:state { path = 'refused', value = 1 }
    state:remove()
    fetcher:unfetch()
    p:remove 'unknown'
    support.wait_log "^adding 'refused' failed: Not now"
    support.wait_log "^removing 'kept' failed: Not now"
    support.wait_log '^the end of a fetch failed: '
    support.wait_log "^removing 'unknown' failed: Not now"
    assert.is_false(refused:is_added())
  end)

  it('is not logged if there is an error callback', function()
    local p = support.connected()
    support.refusal(function(cbs) p:fetch({ path = { startsWith = 5 } }, error, cbs) end)
    assert.are.same({}, support.take_log())
  end)

  it('is not reported for set and call without callbacks, which stay notifications', function()
    local server = wire.daemon(function(connection)
      connection:greet()
      assert.is_nil(connection:expect('set').id)
      assert.is_nil(connection:expect('call').id)
      connection:reply(connection:expect 'config', true)
    end)
    local p = support.connected { port = server.port }
    p:set('a', 1)
    p:call('b')
    support.result(function(cbs) p:config({}, cbs) end)
  end)

  it('is reported by set and call on a closed peer', function()
    local p = support.connected()
    p:close()
    p:set('a', 1)
    p:call('b')
    assert.are.same({
      "setting 'a' failed: Connection closed (-32000)",
      "calling 'b' failed: Connection closed (-32000)",
    }, support.take_log())
  end)
end)

describe('Without a log function', function()
  it('a refusal is a line on standard error, and log = false silences it', function()
    local code = [[
      local log
      if select(2, ...) == 'false' then log = false end
      local p = peer.new { port = port, log = log }
      local f = p:fetch({ path = { startsWith = 5 } }, print)
      p:config({}, { success = function() print(f:is_fetching()) p:close() end })
      p:loop()
    ]]
    local port = jetd.shared().port
    assert.is_truthy(output(code, port):find '^jet: a fetch of {[^\n]*} failed: [^\n]*startsWith[^\n]*\nfalse\n$')
    assert.are.equal('false\n', output(code, port, 'false'))
  end)

  it('a text is on standard error at most once a second', function()
    local text = output([[
      local p = peer.new { port = port, loop = 'builtin' }
      p:close()
      for _ = 1, 1000 do p:set('a', 1) end
      p:set('b', 1)
    ]], jetd.shared().port)
    assert.are.equal(1, occurrences(text, "setting 'a' failed"))
    assert.are.equal(1, occurrences(text, "setting 'b' failed"))
  end)

  it('a log function gets every text', function()
    local text = output([[
      local texts = 0
      local p = peer.new { port = port, log = function() texts = texts + 1 end }
      p:close()
      for _ = 1, 1000 do p:set('a', 1) end
      print(texts)
    ]], jetd.shared().port)
    assert.are.equal('1000\n', text)
  end)

  it('unknown config keys are on standard error', function()
    local code = [[
      local config = { port = port, nmae = 1 }
      if select(2, ...) == 'false' then config.log = false end
      peer.new(config):close()
    ]]
    assert.are.equal("jet: unknown config key 'nmae', did you mean 'name'?\n", output(code, jetd.shared().port))
    assert.are.equal('', output(code, jetd.shared().port, 'false'))
  end)

  it('a full pipe is skipped, and what was lost is counted', function()
    -- Standard error is a pipe that the shell keeps open and that only the program reads, at the end.
    local text = output([[
      local name = os.tmpname()
      os.remove(name)
      local script = assert(io.open(name .. '.lua', 'w'))
      script:write(select(3, ...))
      script:close()
      local command = "mkfifo '%s' && exec 9<>'%s' && '%s' '%s.lua' '%s' 2>'%s'"
      os.execute(command:format(name, name, select(2, ...), name, name, name))
      os.remove(name)
      os.remove(name .. '.lua')
    ]], 0, child.interpreter, [[
      local core = require [=[jet.core]=]
      local LINES = 400
      -- Each line is a page; a pipe has 16 of them, as a rule.
      for i = 1, LINES do core.complain(i .. ("x"):rep(4090 - #tostring(i))) end
      local pipe = assert(io.open(..., "rb"))
      pipe:setvbuf "no"
      local written = 1
      assert(pipe:read(4096):find "^jet: 1x")
      core.complain "after"
      local dropped
      for line in pipe:lines() do
        if line == "jet: after" then break end
        dropped = dropped or line:match "^jet: (%d+) lines were dropped, as standard error was full$"
        written = written + (line:find "^jet: %d+x" and 1 or 0)
      end
      assert(written + dropped == LINES, written)
      print "good"
    ]])
    assert.are.equal('good\n', text)
  end)
end)

describe('A connection that fails', function()
  it('is one line on standard error, and pi:loop returns why', function()
    local port = jetd.free_port()
    local text = output([[
      local p = peer.new { port = port }
      p:state { path = 'a', value = 1 }
      print(p:loop())
      print(p:loop())
    ]], port)
    local reason = ('connection refused (127.0.0.1:%d)'):format(port)
    local returned = 'nil\t' .. reason .. '\n'
    assert.are.equal('jet: no connection: ' .. reason .. '\n' .. returned .. returned, text)
  end)

  it('is one line when it is lost, and none if there is a log or on_close, or the program closed it', function()
    local code = [[
      local port, how = ...
      local daemon = require 'jet.daemon'.new { port = port, interface = '127.0.0.1' }
      daemon.start()
      local config = { port = port }
      if how == 'log' then config.log = print end
      if how == 'no log' then config.log = false end
      if how == 'on_close' then config.on_close = function() end end
      local p = peer.new(config)
      p:config({}, { success = how == 'closed' and function() p:close() end or daemon.stop })
      print(p:loop())
    ]]
    local lost, returned = 'jet: connection lost: ', 'nil\t[^\n]+\n$'
    local text = output(code, jetd.free_port(), 'lost')
    assert.are.equal(1, occurrences(text, lost), text)
    for _, how in ipairs { 'log', 'no log', 'on_close' } do
      text = output(code, jetd.free_port(), how)
      assert.is_truthy(text:find('^' .. returned), text)
    end
    assert.are.equal('true\n', output(code, jetd.free_port(), 'closed'))
  end)

  it('is one line of a blocking peer only if it had been there', function()
    local text = output([[
      print(pcall(peer.new, { port = port, sync = true }))
      local daemon = require 'jet.daemon'.new { port = port, interface = '127.0.0.1' }
      daemon.start()
      local p = peer.new { port = port, sync = true }
      daemon.stop()
      print(pcall(p.config, p, {}))
    ]], jetd.free_port())
    assert.are.equal(0, occurrences(text, 'jet: no connection'), text)
    assert.are.equal(1, occurrences(text, 'jet: connection lost'), text)
  end)
end)
