--- Every transport between a peer and our daemon, on the loop that JET_SPEC_LOOP names: the same
-- conversation over each, and what the configuration refuses.

local jetd = require 'spec.support.jetd'
local loop = require 'spec.support.loop'
local loops = require 'jet.loop'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'

local TLS = 'spec/support/tls/'
local trusting = { ca_file = TLS .. 'ca.pem' }

--- Returns a daemon that listens everywhere, plain and encrypted: two programs, as a port is either plain or encrypted.
local function daemons()
  local name = ('@jet-spec-%d'):format(jetd.free_port())
  local path = os.tmpname()
  os.remove(path)
  local ws, wss = jetd.free_port(), jetd.free_port()
  local plain = jetd.start(('-w %d --unix %s --unix %s'):format(ws, path, name))
  local files = ('--tls-cert %sdaemon.pem --tls-key %sdaemon.key'):format(TLS, TLS)
  local encrypted = jetd.start(('-w %d %s'):format(wss, files))
  local strict = jetd.start(('%s --tls-client-ca %sca.pem'):format(files, TLS))
  local function stop()
    plain.stop()
    encrypted.stop()
    strict.stop()
  end
  local identity = { ca_file = TLS .. 'ca.pem', certificate = TLS .. 'peer.pem', key = TLS .. 'peer.key' }
  return stop, {
    tcp = { ip = 'localhost', port = plain.port },
    ws = { url = ('ws://127.0.0.1:%d/api/jet/'):format(ws), headers = { ['X-From'] = 'spec' } },
    unix = { unix = path },
    abstract = { url = 'unix:' .. name },
    tls = { ip = 'localhost', port = encrypted.port, tls = trusting },
    wss = { url = ('wss://localhost:%d'):format(wss), tls = trusting },
    mutual = { ip = '127.0.0.1', port = strict.port, tls = identity },
  }
end

local NAMES = { 'tcp', 'ws', 'unix', 'abstract', 'tls', 'wss', 'mutual' }

-- The loops a peer can run on, and the library that gives one.
local LOOPS = {
  { name = 'builtin', loop = function() return 'builtin' end },
  { name = 'ev', loop = function() return require('jet.ev').Loop.new() end },
  { name = 'luv', library = 'luv', loop = function() return require 'luv' end },
  { name = 'copas', library = 'copas', loop = function() return require 'copas' end },
  { name = 'cqueues', library = 'cqueues', loop = function() return require('cqueues').new() end },
}

--- Returns the options to reach a daemon, with more of them.
local function with(way, options)
  for key, value in pairs(way) do
    options[key] = value
  end
  return options
end

--- One peer on a loop of its own, over one transport: what it fetched of itself, and why it ended.
local function converse(chosen, way)
  local adapter = assert(loops.resolve(chosen))
  local seen, late, told
  local config = with(way, { loop = chosen })
  function config.on_connect(p)
    p:state { path = 'own', value = ('y'):rep(300000) }
    p:fetch('own', function(_, _, value, fetcher)
      seen = value
      fetcher:unfetch { success = function() p:close() end }
    end)
  end
  function config.on_close(_, reason)
    told = reason
    adapter.stop()
  end
  peer.new(config)
  local cancel = adapter.after(10, function()
    late = true
    adapter.stop()
  end)
  adapter.run()
  cancel()
  assert.is_nil(late, 'the conversation did not end')
  return seen, told
end

describe('a peer over', function()
  local stop, ways

  setup(function()
    stop, ways = daemons()
  end)

  teardown(function()
    stop()
  end)

  after_each(support.cleanup)

  for _, name in ipairs(NAMES) do
    it(name .. ' adds, fetches, sets and calls', function()
      local owner, other = support.connected(ways[name]), support.connected(ways[name])
      local seen = {}
      support.result(function(callbacks)
        owner:state({ path = 'level', value = { 1, { b = peer.null } }, set = function() end }, callbacks)
      end)
      support.result(function(callbacks)
        owner:method({ path = 'double', call = function(n) return 2 * n end }, callbacks)
      end)
      other:fetch('level', function(path, event, value)
        seen[#seen + 1] = { path, event, value }
      end)
      assert.is_true(support.result(function(callbacks) other:set('level', ('x'):rep(200000), callbacks) end))
      assert.are.equal(42, support.result(function(callbacks) other:call('double', { 21 }, callbacks) end))
      support.wait(function() return #seen == 2 end, 'the change')
      assert.are.same({ 'level', 'add', { 1, { b = peer.null } } }, seen[1])
      assert.are.same({ 'level', 'change', ('x'):rep(200000) }, seen[2])
    end)

    it(name .. ' works blocking, too', function()
      for _, encoding in ipairs { false, 'msgpack' } do
        local p = peer.new(with(ways[name], { sync = true, timeout = 5, encoding = encoding }))
        -- The daemon may notice late that the previous connection has ended.
        local path = 'alone ' .. tostring(encoding)
        p:state { path = path, value = ('x'):rep(200000) }
        assert.are.equal(('x'):rep(200000), p:get(path))
        p:close()
      end
    end)

    it(name .. ' speaks msgpack, and JSON with others', function()
      local packing = support.connected(with(ways[name], { encoding = 'msgpack', name = 'packing' }))
      assert.are.equal('msgpack', packing:info().encoding)
      local other = support.connected(ways[name])
      local seen = {}
      local value = { 1, -2.5, 'ü', { b = peer.null }, ('x'):rep(200000) }
      support.result(function(callbacks)
        packing:state({ path = 'packed', value = 0, set = function() end }, callbacks)
      end)
      other:fetch('packed', function(_, event, got) seen[event] = got end)
      assert.is_true(support.result(function(callbacks) other:set('packed', value, callbacks) end))
      support.wait(function() return seen.change end, 'the change')
      assert.are.same({ add = 0, change = value }, seen)
      local list = support.result(function(callbacks)
        packing:call('none', {}, { error = callbacks.success })
      end)
      assert.are.same({ pathNotExists = 'none' }, list.data)
    end)

    for _, candidate in ipairs(LOOPS) do
      it(name .. ' runs on the loop of ' .. candidate.name, function()
        if candidate.library and not pcall(require, candidate.library) then
          return pending('library ' .. candidate.library .. ' is missing for this Lua')
        end
        local seen, told = converse(candidate.loop(), ways[name])
        assert.are.equal(('y'):rep(300000), seen)
        assert.are.equal('closed', told)
      end)
    end
  end
end)

describe('what a peer over a transport', function()
  after_each(support.cleanup)

  --- Why a connection is not to be had.
  local function reason(config)
    local told
    config.loop = loop.adapter
    config.on_close = function(_, text) told = text end
    local p = peer.new(config)
    support.wait(function() return told end, 'a reason')
    p:close()
    return told
  end

  it('cannot reach is reported with the reason', function()
    local port = jetd.free_port()
    assert.are.equal(('connection refused (127.0.0.1:%d)'):format(port), reason { port = port })
    local url = ('ws://127.0.0.1:%d'):format(port)
    assert.are.equal(('connection refused (127.0.0.1:%d)'):format(port), reason { url = url })
    assert.are.equal('no such socket (/does/not/exist)', reason { unix = '/does/not/exist' })
    assert.are.equal('connection refused (@jet-spec-nobody)', reason { unix = '@jet-spec-nobody' })
  end)

  it('does not trust is reported with the reason', function()
    local files = ('--tls-cert %sdaemon.pem --tls-key %sdaemon.key'):format(TLS, TLS)
    local daemon = jetd.start(files)
    local there = { ip = '127.0.0.1', port = daemon.port }
    there.tls = { pins = ('00'):rep(32) }
    assert.is_truthy(reason(there):find('^TLS: '))
    there.tls = { ca_file = TLS .. 'peer.pem' }
    assert.is_truthy(reason(there):find('invalid peer certificate', 1, true))
    there.tls = { ca_file = TLS .. 'ca.pem', server_name = 'elsewhere' }
    assert.is_truthy(reason(there):find('elsewhere', 1, true))
    daemon.stop()
  end)

  it('does not understand is reported with the reason', function()
    assert.is_truthy(reason({ url = ('ws://127.0.0.1:%d'):format(jetd.shared().port) }))
  end)

  it('can never do is refused by new, with the name of the key', function()
    for message, config in pairs {
      ["config%.url' to 'new' %(bad url"] = { url = 'http://x' },
      ["config%.url' to 'new' %(string expected"] = { url = 5 },
      ["config%.unix' to 'new' %(string expected"] = { unix = true },
      ["config%.headers' to 'new' %(table expected"] = { url = 'ws://x', headers = 'X: y' },
      ["config%.headers' to 'new' %(only a ws"] = { headers = { X = 'y' } },
      ["'Host' cannot be an extra header"] = { url = 'ws://x', headers = { Host = 'y' } },
      ["config%.headers%.X' to 'new' %(string or number expected"] = { url = 'ws://x', headers = { X = {} } },
      ["config%.tls' to 'new' %(unknown key 'cafile', did you mean 'ca_file'%?%)"] = { tls = { cafile = 'x' } },
      ["config%.tls%.pins' to 'new'"] = { tls = { pins = 5 } },
      ['/does/not/exist'] = { tls = { ca_file = '/does/not/exist' } },
      ["did you mean 'certificate'"] = { tls = { cert = 'x' } },
      ['fingerprint'] = { tls = { pins = { 'abc' } } },
      ["'a b' is no host name"] = { ip = 'a b' },
    } do
      config.loop = loop.adapter
      support.raises_here(function()
        peer.new(config)
      end, message)
    end
  end)
end)
