--- `jet.utils`, and an old program that starts a daemon with it.

local child = require 'spec.support.child'
local jetd = require 'spec.support.jetd'
local utils = require 'jet.utils'

describe('jet.utils', function()
  it('makes the errors of the protocol', function()
    for name, expected in pairs {
      parse_error = { -32700, 'Parse error' },
      invalid_request = { -32600, 'Invalid Request' },
      method_not_found = { -32601, 'Method not found' },
      invalid_params = { -32602, 'Invalid params' },
      internal_error = { -32603, 'Internal error' },
      response_timeout = { -32001, 'Response Timeout' },
    } do
      local data = { a = 1 }
      local err = utils[name](data)
      assert.are.same({ code = expected[1], message = expected[2], data = data }, err)
      assert.are.equal(data, err.data)
      assert.are.same({ code = expected[1], message = expected[2] }, utils[name]())
      assert.are.same({ code = expected[1], message = expected[2], data = false }, utils[name](false))
    end
    assert.are.equal("Invalid params (-32602): path does not exist: 'a'",
      tostring(utils.invalid_params { pathNotExists = 'a' }))
  end)

  it('has the small functions', function()
    assert.are.equal(0, select('#', utils.noop(1, 2)))
    assert.is_true(utils.is_empty_table {})
    assert.is_false(utils.is_empty_table { 1 })
    assert.is_false(utils.is_empty_table { a = false })
    local list = { 'a', 'b', 'a' }
    assert.is_true(utils.remove(list, 'a'))
    assert.are.same({ 'b', 'a' }, list)
    assert.is_false(utils.remove(list, 'c'))
    assert.are.same({ 'b', 'a' }, list)
  end)

  it('distinguishes a path from a pattern', function()
    for _, path in ipairs { '', 'a', 'a/b.c-d', '%d', 'a b' } do assert.is_true(utils.is_valid_path(path)) end
    for _, path in ipairs { '^a', 'a$', 'a.*', '*' } do assert.is_false(utils.is_valid_path(path)) end
  end)
end)

describe('An old program', function()
  it('starts its daemon with the utilities and lua-ev', function()
    local status, output = child.run([[
      local port = ...
      package.loaded.ev = package.loaded.ev or select(2, pcall(require, 'ev'))
      if type(package.loaded.ev) ~= 'table' then package.loaded.ev = require 'jet.ev' end
      local ev = require 'ev'
      local noop = require 'jet.utils'.noop
      local daemon = require 'jet.daemon'.new { port = port, crit = print, log = noop, info = noop, debug = noop }
      daemon:start()
      local peer = require 'jet.peer'.new { port = port }
      peer:state({ path = 'a', value = 1 }, { success = function()
        print 'added'
        ev.Loop.default:unloop()
      end })
      ev.Loop.default:loop()
      daemon:stop()
    ]], jetd.free_port())
    assert.are.equal(0, status, output)
    assert.are.equal('added\n', output)
  end)
end)
