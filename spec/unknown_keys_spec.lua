--- Unknown keys in the tables of a program: reported once each, or refused where the key that was meant may protect
-- something.

local support = require 'spec.support.fixture'

local function refuses(f, pattern)
  support.raises_here(f, pattern)
end

describe('An unknown key', function()
  local p, prefix
  before_each(function()
    p = support.connected()
    prefix = support.prefix()
  end)
  after_each(support.cleanup)

  it('is compared with near keys only', function()
    local check = require 'jet.check'
    local known = { ip = true, port = true, on_close = true }
    local function warning(key)
      return check.unknown_keys({ [key] = 1 }, known, 'config key')[1]
    end
    assert.are.equal("unknown config key 'go'", warning 'go')
    assert.are.equal("unknown config key 'user'", warning 'user')
    assert.are.equal("unknown config key 'prot', did you mean 'port'?", warning 'prot')
    assert.are.equal("unknown config key 'onclos', did you mean 'on_close'?", warning 'onclos')
  end)

  it('close to access is an error', function()
    for _, slip in ipairs { 'acces', 'Access', 'ACCESS', 'accesss', 'axcess', 'acecss' } do
      local desc = { path = prefix .. 's', value = 1, call = print, [slip] = { fetchGroups = { 'staff' } } }
      refuses(function() p:state(desc) end, "bad argument 'desc' to 'state' %(unknown key '" .. slip .. "'")
      refuses(function() p:method(desc) end, "bad argument 'desc' to 'method' .*did you mean 'access'")
      refuses(function() p:add(desc, print) end, "bad argument 'desc' to 'add' .*did you mean 'access'")
    end
    local blocking = support.peer { sync = true, on_connect = nil }
    refuses(function() blocking:state { path = prefix, acces = {} } end, "'acces', did you mean 'access'")
    refuses(function() blocking:method { path = prefix, call = print, acces = {} } end, "did you mean 'access'")
  end)

  it('inside access, tls and users is an error', function()
    refuses(function() p:state { path = prefix, access = { fetchGroup = {} } } end, "did you mean 'fetchGroups'")
    local peer, daemon = require 'jet.peer', require 'jet.daemon'
    refuses(function() peer.new { tls = { ca_fil = 'x' } } end, "did you mean 'ca_file'")
    refuses(function() daemon.new { tls = { certificat = 'x' } } end, "did you mean 'certificate'")
    refuses(function() daemon.new { users = { ann = { pasword = 'x' } } } end, "did you mean 'password'")
  end)

  it('of a description is a warning, once for each key', function()
    for i = 1, 3 do
      p:state { path = prefix .. i, value = 1, sett = print, [7] = true }
      p:method { path = prefix .. 'm' .. i, call = print, cal_async = print }
    end
    p:add({ path = prefix .. 'raw', values = 1 }, print)
    assert.are.same({
      "unknown key of a description '7'",
      "unknown key of a description 'sett', did you mean 'set'?",
      "unknown key of a description 'cal_async', did you mean 'call_async'?",
      "unknown key of a description 'values', did you mean 'value'?",
    }, support.take_log())
    support.settle(p)
  end)

  it('of callbacks is a warning, once for each key', function()
    for _ = 1, 2 do
      p:set(prefix .. 'none', 1, { succes = print, eror = print })
      p:fetch(prefix, function() end, { eror = print })
    end
    assert.are.same({
      "unknown key of callbacks 'eror', did you mean 'error'?",
      "unknown key of callbacks 'succes', did you mean 'success'?",
    }, support.take_log())
    support.wait_log 'failed'
    support.wait_log 'failed'
  end)

  it('of callbacks that have a known one is not looked for', function()
    p:fetch(prefix, function() end, { success = function() end, eror = print })
    p:call(prefix, {}, setmetatable({ error = function() end }, { __pairs = error }))
    support.settle(p)
    assert.are.same({}, support.take_log())
  end)

  it('of a fetch and of its sort is a warning, once for each key', function()
    for _ = 1, 2 do
      p:fetch({ pth = {}, path = { startWith = 'x' }, sort = { form = 1 } }, function() end)
    end
    support.settle(p)
    local log = support.take_log()
    table.sort(log)
    assert.are.same({
      "fetch expression: unknown 'pth' is ignored, did you mean 'path'?",
      "path: unknown 'startWith' is ignored, did you mean 'startsWith'?",
      "sort: unknown 'form' is ignored, did you mean 'from'?",
    }, log)
  end)

  it('is what ip and port are beside a url of a WebSocket: a warning', function()
    -- The earlier module ignored them, and programs pass both.
    local texts = {}
    local made = require 'jet.peer'.new {
      url = 'ws://127.0.0.1:9', ip = '127.0.0.1', port = 1, log = function(text) texts[#texts + 1] = text end,
      on_close = function() end,
    }
    made:close()
    assert.are.same({ "config key 'ip' is ignored beside 'url'", "config key 'port' is ignored beside 'url'" }, texts)
  end)

  it('of the options of a daemon is a warning', function()
    local texts = {}
    require 'jet.daemon'.new { prot = 0, log = function(text) texts[#texts + 1] = text end }
    assert.are.same({ "unknown daemon option 'prot', did you mean 'port'?" }, texts)
  end)
end)
