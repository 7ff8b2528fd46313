--- Wrong arguments to every function of the peer: an error at the caller's line that names them.

local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'

local raises_here = support.raises_here

describe('A wrong argument is named at the caller\'s line:', function()
  local p, state, method, element, fetcher

  setup(function()
    p = support.connected()
    state = p:state { path = 'args/state', value = 1 }
    method = p:method { path = 'args/method', call = print }
    element = p:add({ path = 'args/element' }, print)
    fetcher = p:fetch({ path = { equals = 'args/state' } }, function() end)
    support.settle(p)
  end)
  teardown(support.cleanup)

  local function rows(name, list)
    it(name, function()
      for _, row in ipairs(list()) do raises_here(row[1], row[2]) end
      -- Nothing of it was sent, nothing stays.
      support.settle(p)
    end)
  end

  rows('peer.new', function()
    return {
      { function() peer.new(5) end, "'config' to 'new'" },
      { function() peer.new(print) end, "'config' to 'new'" },
      { function() peer.new { ip = 5 } end, "'config.ip'" },
      { function() peer.new { ip = {} } end, "'config.ip'" },
      { function() peer.new { ip = ' ' } end, "'config.ip'.*' ' is no host name" },
      { function() peer.new { ip = '127.0.0.1 ' } end, "'config.ip'" },
      { function() peer.new { ip = 'a b.localhost' } end, "'config.ip'" },
      { function() peer.new { ip = 'a\tb' } end, "'config.ip'.*'a\\9b' is no host name" },
      { function() peer.new { ip = 'a\0b' } end, "'config.ip'.*'a\\0b' is no host name" },
      { function() peer.new { ip = 'a\127' } end, "'config.ip'" },
      { function() peer.new { ip = 'a\176C' } end, "'config.ip'.*'a\\176C' is no host name" },
      { function() peer.new { ip = ('a.'):rep(126) .. 'localhost' } end, "'config.ip'.*261 bytes" },
      { function() peer.new { port = {} } end, "'config.port'" },
      { function() peer.new { timeout = 'x' } end, "'config.timeout'" },
      { function() peer.new { url = 'tcp://127.0.0.1:1', port = 1 } end, "'config.port' to 'new' %(contradicts config.url" },
      { function() peer.new { url = 'unix:/tmp/x', ip = '127.0.0.1' } end, "'config.ip' to 'new' %(contradicts config.url" },
      { function() peer.new { url = 'ws://127.0.0.1:1', unix = '@x' } end, "'config.unix' to 'new' %(contradicts config.url" },
      { function() peer.new { unix = '@x', ip = '127.0.0.1' } end, "'config.ip' to 'new' %(contradicts config.unix" },
      { function() peer.new { unix = '@x', port = 1 } end, "'config.port' to 'new' %(contradicts config.unix" },
      { function() peer.new { invalid_utf8 = 'x' } end, "'config.invalid_utf8'" },
      { function() peer.new { invalid_utf8 = 5 } end, "'config.invalid_utf8'" },
      { function() peer.new { max_message = 'x' } end, "'config.max_message'" },
      { function() peer.new { max_message = 0 } end, "'config.max_message'" },
      { function() peer.new { max_message = -5 } end, "'config.max_message'" },
      { function() peer.new { max_message = 0 / 0 } end, "'config.max_message'" },
      { function() peer.new { max_depth = 1.5 } end, "'config.max_depth'" },
      { function() peer.new { max_unsent = 1 / 0 } end, "'config.max_unsent'" },
      { function() peer.new { max_requests = 0 } end, "'config.max_requests'" },
      { function() peer.new { connect_timeout = -1 } end, "'config.connect_timeout'" },
      { function() peer.new { connect_timeout = 0 / 0 } end, "'config.connect_timeout'" },
      { function() peer.new { name = print } end, 'config%.name: cannot send a function' },
      { function() peer.new { loop = 5 } end, 'loop' },
      { function() peer.new { loop = 'no such loop' } end, 'loop' },
      { function() peer.new { loop = {} } end, 'loop' },
      { function() peer.new { on_connect = 5 } end, "'config.on_connect'" },
    }
  end)

  rows('call', function()
    return {
      { function() p:call() end, "'path' to 'call' %(string expected, got no value%)" },
      { function() p:call {} end, "'path' to 'call' %(string expected, got table%)" },
      { function() p:call('x', print) end, 'args: cannot send a function' },
      { function() p:call('x', {}, 5) end, "'callbacks'" },
      { function() p:call('x', {}, { success = 5 }) end, "'callbacks.success'" },
      { function() p:call('x', {}, { error = 'x' }) end, "'callbacks.error'" },
      { function() p:call(5, {}, { error = 'x' }) end, "'callbacks.error'" },
    }
  end)

  rows('set', function()
    return {
      { function() p:set() end, "'path' to 'set'" },
      { function() p:set(5, 5) end, "'path' to 'set' %(string expected, got number%)" },
      { function() p:set('x', 5, 5) end, "'callbacks'" },
      { function() p:set('x', 5, { success = {} }) end, "'callbacks.success'" },
    }
  end)

  rows('fetch', function()
    return {
      { function() p:fetch() end, "'expression'" },
      { function() p:fetch(5, print) end, "'expression'" },
      { function() p:fetch('x') end, "'callback'" },
      { function() p:fetch('x', 5) end, "'callback'" },
      { function() p:fetch('x', print, 5) end, "'callbacks'" },
      { function() p:fetch('x', print, { error = 5 }) end, "'callbacks.error'" },
      { function() p:fetch('x', print, { timeout = 'x' }) end, "'callbacks.timeout'" },
      { function() p:fetch('x', print, { timeout = 0 / 0 }) end, 'timeout' },
      { function() p:fetch('x', print, { timeout = 1 / 0 }) end, 'timeout' },
      { function() p:fetch({ sort = { to = 'x' } }, print) end, 'sort' },
      { function() p:fetch({ path = { equals = print } }, print) end, 'path%.equals: cannot send' },
    }
  end)

  rows('state, method, add, remove', function()
    return {
      { function() p:state() end, "'desc' to 'state'" },
      { function() p:state 'x' end, "'desc' to 'state'" },
      { function() p:state {} end, "'desc.path' to 'state'" },
      { function() p:state { path = 5 } end, "'desc.path' to 'state'" },
      { function() p:state { path = 'x', set = 5 } end, "'desc.set'" },
      { function() p:state { path = 'x', set_async = 5 } end, "'desc.set_async'" },
      { function() p:state({ path = 'x' }, 5) end, "'callbacks'" },
      { function() p:state({ path = 'x' }, { success = 5 }) end, "'callbacks.success'" },
      { function() p:state({ path = 'x', value = { [true] = 1 } }) end, 'value: cannot send' },
      { function() p:method() end, "'desc' to 'method'" },
      { function() p:method { path = {} } end, "'desc.path' to 'method'" },
      { function() p:method { path = 'x' } end, 'x' },
      { function() p:method { path = 'x', call = 5 } end, "'desc.call'" },
      { function() p:method { path = 'x', call_async = 5 } end, "'desc.call_async'" },
      { function() p:method({ path = 'x', call = print }, 5) end, "'callbacks'" },
      { function() p:add() end, "'desc' to 'add'" },
      { function() p:add({ path = 'x' }, 5) end, "'dispatch'" },
      { function() p:add({ path = 'x' }, print, 5) end, "'callbacks'" },
      { function() p:remove() end, "'path' to 'remove'" },
      { function() p:remove(5) end, "'path' to 'remove'" },
      { function() p:remove('x', 5) end, "'callbacks'" },
    }
  end)

  rows('config, batch, on_no_dispatcher, loop', function()
    return {
      { function() p:config() end, "'params'" },
      { function() p:config 'x' end, "'params'" },
      { function() p:config({}, 5) end, "'callbacks'" },
      { function() p:batch() end, "'action'" },
      { function() p:batch(5) end, "'action'" },
      { function() p:on_no_dispatcher(5) end, "'on_no_dispatcher'" },
      { function() p:loop(5) end, "'signals'" },
      { function() p:loop { 'x' } end, 'signal' },
      { function() p:loop { 9999 } end, 'signal' },
      { function() p:loop { 9 } end, 'signal' },
    }
  end)

  rows('the refs', function()
    return {
      { function() state:remove(5) end, "'callbacks'" },
      { function() state:remove { error = 5 } end, "'callbacks.error'" },
      { function() state:add(5, 5) end, "'callbacks'" },
      { function() state:value(print) end, 'value: cannot send a function' },
      { function() method:remove(5) end, "'callbacks'" },
      { function() method:add(nil, 5) end, "'callbacks'" },
      { function() element:remove(5) end, "'callbacks'" },
      { function() element:add(nil, 5) end, "'callbacks'" },
      { function() fetcher:fetch(5) end, "'callbacks'" },
      { function() fetcher:unfetch(5) end, "'callbacks'" },
      { function() fetcher:unfetch { success = 5 } end, "'callbacks.success'" },
    }
  end)

  it('forgotten colons', function()
    local internal = { new = true, create = true, extend = true, request = true }
    local blocking = peer.new { port = jetd.shared().port, sync = true }
    for name, object in pairs { peer = p, state = state, method = method, element = element, fetcher = fetcher,
                                blocking = blocking } do
      local called = 0
      local class = getmetatable(object).__index
      repeat
        for func, f in pairs(class) do
          if type(f) == 'function' and not func:find '^_' and not internal[func] then
            called = called + 1
            local hint = ("'self' to '%s' %%(call it with a colon, as in object:%s"):format(func, func)
            for _, argument in ipairs { 'x', 5, {}, print } do
              raises_here(function() object[func](argument, {}) end, hint)
            end
            raises_here(function() object[func]() end, hint)
          end
        end
        class = getmetatable(class) and getmetatable(class).__index
      until not class
      assert.is_true(called >= 3, name)
    end
    blocking:close()
    support.settle(p)
  end)

  rows('a colon too many', function()
    local jet, daemon = require 'jet', require 'jet.daemon'
    return {
      { function() peer:new { port = 1 } end, "'config' to 'new' %(called with a colon; .* peer%.new {%.%.%.}" },
      { function() peer:new() end, 'called with a colon' },
      { function() jet:new { port = 1 } end, 'called with a colon' },
      { function() daemon:new { port = 0 } end, "'options' to 'new' %(called with a colon; .* daemon%.new {%.%.%.}" },
      { function() daemon:new() end, 'called with a colon' },
    }
  end)
end)
