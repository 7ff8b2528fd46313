--- The errors that requests of a peer get, code by code.

local support = require 'spec.support.fixture'

local wait, recorder = support.wait, support.recorder
local refusal = support.refusal
local count = support.count

describe('Errors', function()
  local owner, other, prefix

  before_each(support.setup(function(...) owner, other, prefix = ... end))
  after_each(support.cleanup)

  local function is_error(err, code, message, data)
    assert.is_table(err)
    assert.are.equal(code, err.code)
    assert.are.equal(message, err.message)
    assert.are.same(data, err.data)
  end

  it('of set, call, remove and change on an unknown path: pathNotExists', function()
    local path = prefix .. 'no'
    for _, ask in ipairs {
      function(cbs) other:set(path, 1, cbs) end,
      function(cbs) other:call(path, {}, cbs) end,
      function(cbs) other:remove(path, cbs) end,
    } do
      is_error(refusal(ask), -32602, 'Invalid params', { pathNotExists = path })
    end
  end)

  it('of adding a path twice: pathAlreadyExists, for every kind of element', function()
    local path = prefix .. 's'
    owner:state { path = path, value = 1 }
    support.settle(owner)
    for _, ask in ipairs {
      function(cbs) other:state({ path = path, value = 2 }, cbs) end,
      function(cbs) other:method({ path = path, call = print }, cbs) end,
      function(cbs) other:add({ path = path }, print, cbs) end,
    } do
      is_error(refusal(ask), -32602, 'Invalid params', { pathAlreadyExists = path })
    end
  end)

  it('of removing the path of another peer: foreignPath', function()
    owner:state { path = prefix .. 's', value = 1 }
    support.settle(owner)
    local err = refusal(function(cbs) other:remove(prefix .. 's', cbs) end)
    is_error(err, -32602, 'Invalid params', { foreignPath = prefix .. 's' })
  end)

  it('of call on a state and set on a method: wrongKind', function()
    owner:state { path = prefix .. 's', value = 1, set = error }
    owner:method { path = prefix .. 'm', call = error }
    support.settle(owner)
    local err = refusal(function(cbs) other:call(prefix .. 's', {}, cbs) end)
    is_error(err, -32602, 'Invalid params', { wrongKind = prefix .. 's' })
    err = refusal(function(cbs) other:set(prefix .. 'm', 1, cbs) end)
    is_error(err, -32602, 'Invalid params', { wrongKind = prefix .. 'm' })
  end)

  it('distinguishes a state without a value from a method', function()
    local got
    owner:state { path = prefix .. 's', set = function(value) got = value end }
    support.settle(owner)
    local err = refusal(function(cbs) other:call(prefix .. 's', {}, cbs) end)
    is_error(err, -32602, 'Invalid params', { wrongKind = prefix .. 's' })
    support.result(function(cbs) other:set(prefix .. 's', 5, cbs) end)
    assert.are.equal(5, got)
  end)

  it('of a rejected fetch: the object with the reason, never a bare string', function()
    local err = refusal(function(cbs) other:fetch({ path = { contains = 5 } }, function() end, cbs) end)
    assert.are.equal(-32602, err.code)
    assert.is_table(err.data)
  end)

  it('of a provider that does not answer: -32001 after callbacks.timeout', function()
    owner:state { path = prefix .. 's', value = 1, set_async = function() end }
    owner:method { path = prefix .. 'm', call_async = function() end }
    support.settle(owner)
    local err = refusal(function(cbs) other:set(prefix .. 's', 2, cbs) end, { timeout = 0.02 })
    assert.are.equal(-32001, err.code)
    assert.are.equal('Response Timeout', err.message)
    assert.are.equal(prefix .. 's', err.data.path)
    assert.are.equal(2, err.data.value)
    err = refusal(function(cbs) other:call(prefix .. 'm', { 1 }, cbs) end, { timeout = 0.02 })
    assert.are.equal(-32001, err.code)
    assert.are.same({ 1 }, err.data.args)
  end)

  it('timeout of add is the default of the element, and the request\'s own wins', function()
    owner:state({ path = prefix .. 's', value = 1, set_async = function() end }, { timeout = 0.02 })
    support.settle(owner)
    local err = refusal(function(cbs) other:set(prefix .. 's', 2, cbs) end)
    assert.are.equal(-32001, err.code)
    local late
    other:set(prefix .. 's', 2, { timeout = 4, error = function() late = true end })
    support.idle(0.06)
    assert.is_nil(late)
  end)

  it('when the owner goes away: -32000 at once with ownerGone', function()
    owner:state { path = prefix .. 's', value = 1, set_async = function() end }
    owner:method { path = prefix .. 'm', call_async = function() end }
    support.settle(owner)
    local errors = recorder()
    other:set(prefix .. 's', 2, { error = errors })
    other:call(prefix .. 'm', {}, { error = errors })
    support.settle(other)
    owner:close()
    wait(count(errors, 2), 'both errors', 2)
    for index, path in ipairs { 's', 'm' } do
      assert.are.equal(-32000, errors[index][1].code)
      assert.are.same({ ownerGone = prefix .. path }, errors[index][1].data)
    end
  end)

  it('of a wrong path or time-out go to the callbacks, from the loop', function()
    local cyclic = {}
    for index, row in ipairs {
      { function(cbs) other:set(5, 1, cbs) end, { wrongType = 'path', got = { path = 5, value = 1 } } },
      { function(cbs) other:set(nil, 1, cbs) end, { missingParam = 'path', got = { value = 1 } } },
      { function(cbs) other:call(cyclic, { 1 }, cbs) end, { wrongType = 'path', got = { path = cyclic, args = { 1 } } } },
      { function(cbs) other:remove(true, cbs) end, { wrongType = 'path', got = { path = true } } },
      { function(cbs) other:set('x', 1, cbs) end, { wrongType = 'timeout', got = { path = 'x', value = 1, timeout = 'y' } },
        timeout = 'y' },
      { function(cbs) other:call('x', nil, cbs) end, { wrongType = 'timeout', got = { path = 'x', args = {}, timeout = {} } },
        timeout = {} },
      { function(cbs) other:remove('x', cbs) end, { wrongType = 'timeout', got = { path = 'x', timeout = 1 / 0 } },
        timeout = 1 / 0 },
    } do
      local inside = true
      local err = refusal(function(cbs)
        local report = cbs.error
        function cbs.error(...)
          assert(not inside, 'called at once')
          report(...)
        end
        row[1](cbs)
        inside = false
      end, { timeout = row.timeout })
      assert.is_string(tostring(err), index)
      is_error(err, -32602, 'Invalid params', row[2])
    end
    -- Also on a peer that is closed by then.
    other:close()
    is_error(refusal(function(cbs) other:set(5, 1, cbs) end), -32602, 'Invalid params',
      { wrongType = 'path', got = { path = 5, value = 1 } })
  end)

  it('of a wrong path raise without callbacks, and are logged without an error callback', function()
    for _, wrong in ipairs { 5, true, {} } do
      support.raises_here(function() other:set(wrong, 1) end, "'path' to 'set'")
      support.raises_here(function() other:call(wrong) end, "'path' to 'call'")
      support.raises_here(function() other:remove(wrong, false) end, "'path' to 'remove'")
    end
    other:set(5, 1, { success = error })
    support.wait_log "set failed: Invalid params %(%-32602%): wrong type of parameter: 'path'"
  end)

  it('of a wrong time-out name the path and what was expected', function()
    local err = refusal(function(cbs) other:call('some/path', {}, cbs) end, { timeout = '1' })
    assert.are.equal("Invalid params (-32602): wrong type of parameter: 'timeout' for 'some/path': number of seconds"
      .. ' expected, got 1', tostring(err))
    local line = debug.getinfo(1, 'l').currentline + 1
    other:set('some/path', 1, { timeout = '1' })
    support.wait_log('peer_error_spec.lua:' .. line .. ": set failed: .*'timeout' for 'some/path': number of seconds expected")
  end)

  it('of a time-out that is over at once come at once, and the log names the request', function()
    owner:state { path = prefix .. 's', value = 1, set_async = function() end }
    support.settle(owner)
    for _, seconds in ipairs { 0, -1 } do
      local line = debug.getinfo(1, 'l').currentline + 1
      local err = refusal(function(cbs) other:set(prefix .. 's', 2, cbs) end, { timeout = seconds })
      assert.are.equal(-32001, err.code)
      support.wait_log(("peer_error_spec.lua:%d: set '%ss': positive number of seconds expected as timeout, got %s")
        :format(line, prefix, tostring(seconds):gsub('-', '%%-')))
    end
  end)

  it('of a handler are tables or strings, never userdata', function()
    owner:method { path = prefix .. 'm', call = function() return nil .. 'x' end }
    owner:method { path = prefix .. 'n', call = function() return function() end end }
    support.settle(owner)
    for _, name in ipairs { 'm', 'n' } do
      local err = refusal(function(cbs) other:call(prefix .. name, {}, cbs) end)
      assert.are.equal(-32603, err.code)
      assert.are.equal('Internal error', err.message)
      assert.is_string(err.data)
      assert.is_truthy(err.data:match 'spec' or err.data:match 'cannot send')
    end
  end)
end)
