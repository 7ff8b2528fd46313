--- The options that `jet.core` declares against the annotations of the Lua files, which `docs/api.md` follows.

local annotations = require 'spec.support.annotations'
local core = require 'jet.core'

local classes = annotations.read()

--- Returns the names of the options that a struct of `src/lua/options/` declares.
local function declared(file, struct)
  local source = assert(io.open('src/lua/options/' .. file))
  local text = source:read '*a'
  source:close()
  local head, body = text:match('\n(#%[serde[^\n]*)\n[pub ]*struct ' .. struct .. ' {\n(.-)\n}')
  local names, renamed = {}, nil
  for line in body:gmatch '[^\n]+' do
    renamed = line:match 'rename = "([%w_]+)"' or renamed
    local name = line:match '^    ([%w_]+): '
    if name then
      if head:find 'camelCase' then
        name = name:gsub('_(%l)', string.upper)
      end
      names[renamed or name] = true
      renamed = nil
    end
  end
  assert(next(names), struct)
  return names
end

describe('The options in jet.core', function()
  for class, place in pairs {
    ['jet.Config'] = { 'peer.rs', 'PeerConfig' },
    ['jet.TlsConfig'] = { 'peer.rs', 'TlsConfig' },
    ['jet.DaemonLimits'] = { 'peer.rs', 'DaemonLimits' },
    ['jet.DaemonOptions'] = { 'daemon.rs', 'DaemonOptions' },
    ['jet.DaemonTls'] = { 'daemon.rs', 'DaemonTls' },
    ['jet.User'] = { 'daemon.rs', 'UserOptions' },
    ['jet.Auth'] = { 'daemon.rs', 'UserGroups' },
    ['jet.Access'] = { 'access.rs', 'Access' },
  } do
    it('are those of the annotations of ' .. class, function()
      local names = declared(place[1], place[2])
      -- An option of earlier versions without effect.
      names.print = nil
      assert.are.same(classes[class].fields, names)
    end)
  end

  it('are known to the Lua side by name', function()
    for kind, class in pairs { peer = 'jet.Config', daemon = 'jet.DaemonOptions' } do
      local names = {}
      for _, name in ipairs(core.option_names[kind]) do
        names[name] = name ~= 'print' or nil
      end
      assert.are.same(classes[class].fields, names)
    end
  end)

  it('are read where a table inherits them', function()
    local function inherits(options)
      return setmetatable({}, { __index = options })
    end
    local peer, daemon = require 'jet.peer'.new, require 'jet.daemon'.new
    for text, call in pairs {
      ["config.tls.ca_file' to 'new' (string expected, got number)"] = function() peer { tls = inherits { ca_file = 5 } } end,
      ["config.daemon_limits.message' to 'new' (whole number of at least 1 expected, got 0)"] =
        function() peer { daemon_limits = inherits { message = 0 } } end,
      ["options.tls.certificate' to 'new' (string expected, got number)"] =
        function() daemon { tls = inherits { certificate = 5, key = 'x' } } end,
      ["options.users.a.admin' to 'new' (boolean expected, got number)"] =
        function() daemon { users = { a = inherits { password = 'x', admin = 5 } } } end,
      ["options.users.a.auth.setGroups[1]' to 'new' (string expected, got number)"] =
        function() daemon { users = { a = { password = 'x', auth = inherits { setGroups = { 5 } } } } } end,
    } do
      local _, message = pcall(call)
      assert.are.equal("bad argument '" .. text, message:match 'bad argument .*$')
    end
  end)

  it('are refused with their path, what was expected and what they got', function()
    local peer, daemon = require 'jet.peer'.new, require 'jet.daemon'.new
    for text, call in pairs {
      ["'config.port' to 'new' (port from 1 to 65535 expected, got 'abc')"] = function() peer { port = 'abc' } end,
      ["'config.port' to 'new' (port from 1 to 65535 expected, got table)"] = function() peer { port = {} } end,
      ["'config.max_depth' to 'new' (whole number of at least 1 expected, got 1.5)"] = function() peer { max_depth = 1.5 } end,
      ["'config.tls' to 'new' (boolean or table expected, got number)"] = function() peer { tls = 5 } end,
      ["'config.tls.ca_file' to 'new' (string expected, got boolean)"] = function() peer { tls = { ca_file = true } } end,
      ["'config.tls.pins' to 'new' (string or table expected, got number)"] = function() peer { tls = { pins = 5 } } end,
      ["'config.tls.pins[2]' to 'new' (string expected, got number)"] = function() peer { tls = { pins = { 'a', 5 } } } end,
      ["'config.tls.pins' to 'new' (list expected, got the key 'x')"] = function() peer { tls = { pins = { x = 'a' } } } end,
      ["'config.daemon_limits.message' to 'new' (whole number of at least 1 expected, got 0)"] = function()
        peer { daemon_limits = { message = 0 } }
      end,
      ["'config.daemon_limits' to 'new' (unknown key 'mesage', did you mean 'message'?)"] = function()
        peer { daemon_limits = { mesage = 5 } }
      end,
      ["'config.on_close' to 'new' (function expected, got string)"] = function() peer { on_close = 'x' } end,
      ["'config.user' to 'new' (string expected beside password, got no value)"] = function() peer { password = 'x' } end,
      ["'options.unix[2]' to 'new' (string expected, got number)"] = function() daemon { unix = { '@a', 5 } } end,
      ["'options.unix_mode' to 'new' (three octal digits expected, got 888)"] = function() daemon { unix_mode = 888 } end,
      ["'options.tls.key' to 'new' (value expected, got no value)"] = function() daemon { tls = { certificate = 'x' } } end,
      ["'options.users.ann.admin' to 'new' (boolean expected, got number)"] = function()
        daemon { users = { ann = { password = 'x', admin = 1 } } }
      end,
    } do
      local line = debug.getinfo(call, 'S').linedefined
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.are.equal(text, message:match "bad argument (.*)$")
      local at = tonumber(message:match 'options_spec.lua:(%d+): ')
      assert.is_truthy(at and at >= line and at <= line + 2, message)
    end
  end)
end)
