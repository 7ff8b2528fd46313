--- `false` where an argument or option is not given, as in `cond and {...}`.

local builtin = require 'jet.loop.builtin'
local daemon = require 'jet.daemon'
local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, count = support.wait, support.recorder, support.count

describe('false for an argument that is not given', function()
  local p, prefix

  before_each(function()
    p, prefix = support.connected(), support.prefix()
  end)
  after_each(support.cleanup)

  it('is accepted as callbacks by every function of a peer', function()
    local state = p:state({ path = prefix .. 's', value = 1, set = function() end }, false)
    p:method({ path = prefix .. 'm', call = function() end, call_async = false }, false)
    p:add({ path = prefix .. 'a', value = 1 }, print, false)
    local events = recorder()
    p:fetch({ path = { equals = prefix .. 's' } }, events, false)
    p:set(prefix .. 's', 2, false)
    p:call(prefix .. 'm', {}, false)
    p:config({ name = 'x' }, false)
    p:on_no_dispatcher(false)
    wait(count(events, 2), 'the change')
    assert.are.equal(2, state:value())
    p:remove(prefix .. 's', false)
    wait(count(events, 3), 'the remove')
    assert.is_false(state:is_added())
  end)

  it('is accepted as callbacks by every function of a state and a fetcher', function()
    local events = recorder()
    local state = p:state { path = prefix .. 's', value = 1 }
    local fetcher = p:fetch({ path = { equals = prefix .. 's' } }, events)
    wait(count(events, 1), 'the add')
    state:remove(false)
    wait(count(events, 2), 'the remove')
    state:add(2, false)
    wait(count(events, 3), 'the second add')
    assert.are.equal(2, events[3][3])
    fetcher:unfetch(false)
    assert.is_false(fetcher:is_fetching())
    fetcher:fetch(false)
    assert.is_true(fetcher:is_fetching())
    wait(count(events, 4), 'the add of the second fetch')
  end)

  it('is accepted as time-out of the callbacks', function()
    local options = { timeout = false }
    support.result(function(cbs) p:state({ path = prefix .. 's', value = 1, set = function() end }, cbs) end, options)
    support.result(function(cbs) p:method({ path = prefix .. 'm', call = function() end }, cbs) end, options)
    support.result(function(cbs) p:set(prefix .. 's', 2, cbs) end, options)
    support.result(function(cbs) p:call(prefix .. 'm', {}, cbs) end, options)
    support.result(function(cbs) p:config({}, cbs) end, options)
    local fetcher
    support.result(function(cbs) fetcher = p:fetch('^$', print, cbs) end, options)
    support.result(function(cbs) fetcher:unfetch(cbs) end, options)
    support.result(function(cbs) p:remove(prefix .. 's', cbs) end, options)
  end)

  it('stays a value where values are expected', function()
    local events = recorder()
    local state = p:state { path = prefix .. 's', value = false, set = function() end }
    p:fetch({ path = { equals = prefix .. 's' } }, events)
    wait(count(events, 1), 'the add')
    p:set(prefix .. 's', 1)
    wait(count(events, 2), 'the first change')
    p:set(prefix .. 's', false)
    wait(count(events, 3), 'the second change')
    state:remove()
    state:add(false)
    wait(count(events, 5), 'the second add')
    assert.are.same({ false, 1, false, false, false },
      { events[1][3], events[2][3], events[3][3], events[4][3], events[5][3] })
  end)

  it('is sent as {} by call', function()
    local seen
    local server = wire.daemon(function(connection)
      connection:greet()
      seen = connection:expect('call').params
      connection:accept_all()
    end)
    support.peer({ port = server.port }):call('m', false)
    wait(function() return seen end, 'the call')
    assert.are.same({ path = 'm', args = {} }, seen)
  end)

  it('is accepted as time-out by a blocking peer', function()
    local blocking = peer.new { port = jetd.shared().port, sync = true, timeout = false }
    local state = blocking:state({ path = prefix .. 'b', value = 1 }, false)
    assert.is_true(state:is_added())
    blocking:method({ path = prefix .. 'bm', call = print }, false)
    assert.is_true(blocking:config({ name = 'x' }, false))
    blocking:close()
  end)
end)

describe('false for an option that is not given', function()
  after_each(support.cleanup)

  it('is accepted by peer.new', function()
    local p = support.connected {
      url = false, ip = false, unix = false, name = false, encoding = false, tls = false, headers = false,
      user = false, password = false, sync = false, timeout = false, on_close = false, max_message = false,
      connect_timeout = false, invalid_utf8 = false,
    }
    assert.are.equal('json', p:info().encoding)
    -- A daemon may listen on the default port or not.
    peer.new({ port = false, loop = false, on_close = recorder() }):close()
    peer.new(false):close()
  end)

  it('is accepted by daemon.new', function()
    local loop = builtin.new()
    local instance = daemon.new {
      port = 0, ws_port = false, interface = false, loop = loop, unix = false, tls = false, users = false,
      users_file = false, timeout = false, max_message = false, info = false, crit = false, debug = false,
    }
    instance.start()
    assert.is_number(instance.port())
    instance.stop()
    daemon.new { port = false, loop = false }
    daemon.new(false)
  end)
end)
