--- Error objects as text: `tostring(err)`, what the log says of them, and what the metatable leaves alone.

local child = require 'spec.support.child'
local core = require 'jet.core'
local errors = require 'jet.errors'
local jetd = require 'spec.support.jetd'
local peer = require 'jet.peer'
local support = require 'spec.support.fixture'
local wire = require 'spec.support.wire'

local wait, recorder, count = support.wait, support.recorder, support.count
local refusal = support.refusal

describe('The text of an error', function()
  local owner, other, prefix

  before_each(support.setup(function(...) owner, other, prefix = ... end))
  after_each(support.cleanup)

  it('is its message, code and cause', function()
    owner:state { path = prefix .. 'dup', value = 1 }
    support.settle(owner)
    local err = refusal(function(cbs) other:state({ path = prefix .. 'dup', value = 1 }, cbs) end)
    assert.are.equal(("Invalid params (-32602): path already exists: '%sdup'"):format(prefix), tostring(err))
    err = refusal(function(cbs) other:set(prefix .. 'no', 1, cbs) end)
    assert.are.equal(("Invalid params (-32602): path does not exist: '%sno'"):format(prefix), tostring(err))
    err = refusal(function(cbs) other:fetch({ path = { contains = 5 } }, print, cbs) end)
    assert.is_truthy(tostring(err):find '^Invalid params %(%-32602%): .*contains')
  end)

  it('has what a handler raised', function()
    owner:method { path = prefix .. 'm', call = function(what) error(what, 0) end }
    support.settle(owner)
    local function text(what)
      return tostring(refusal(function(cbs) other:call(prefix .. 'm', { what }, cbs) end))
    end
    assert.are.equal('Internal error (-32603): broken', text 'broken')
    assert.are.equal('no (7): {"a":[1]}', text { code = 7, message = 'no', data = { a = { 1 } } })
    assert.are.equal('no (7)', text { code = 7, message = 'no' })
    assert.are.equal('no (7)', text { code = 7, message = 'no', data = peer.null })
  end)

  it('names the path of a request that was not answered', function()
    owner:method { path = prefix .. 'm', call_async = function() end }
    support.settle(owner)
    local err = refusal(function(cbs) other:call(prefix .. 'm', { 1 }, cbs) end, { timeout = 0.02 })
    assert.are.equal(("Response Timeout (-32001): '%sm'"):format(prefix), tostring(err))
  end)

  it('is there for errors of a closed peer, open and later ones', function()
    owner:method { path = prefix .. 'm', call_async = function() end }
    support.settle(owner)
    local failed = recorder()
    other:call(prefix .. 'm', {}, { error = failed })
    other:close()
    other:call(prefix .. 'm', {}, { error = failed })
    wait(count(failed, 2), 'the errors')
    for _, call in ipairs(failed) do
      assert.are.equal('Connection closed (-32000)', tostring(call[1]))
    end
  end)

  it('is in the log when an add or a fetch fails without an error callback', function()
    owner:state { path = prefix .. 'dup', value = 1 }
    support.settle(owner)
    other:state { path = prefix .. 'dup', value = 1 }
    support.wait_log("^adding '" .. prefix .. "dup' failed: path already exists$")
    other:fetch({ path = { contains = 5 } }, function() end, {})
    support.wait_log '^a fetch of .* failed: Invalid params %(%-32602%): .*contains'
  end)

  it('is in the log when a callback or a handler raises an error object', function()
    owner:state { path = prefix .. 's', value = 1, set = function() error(errors.invalid_params { fetchOnly = 'x' }) end }
    support.settle(owner)
    other:set(prefix .. 's', 2)
    support.wait_log "a handler failed on a notification: Invalid params %(%-32602%): read%-only: 'x'"
    other:set(prefix .. 's', 2, { error = error })
    support.wait_log "a callback raised an error: Invalid params %(%-32602%): read%-only: 'x'"
  end)

  it('changes nothing of the table as a value', function()
    local events = recorder()
    owner:state { path = prefix .. 's' }
    other:fetch({ path = { equals = prefix .. 's' } }, events)
    local err = refusal(function(cbs) other:set(prefix .. 'no', 1, cbs) end)
    assert.are.same({ code = -32602, message = 'Invalid params', data = { pathNotExists = prefix .. 'no' } }, err)
    assert.are.equal(#'{"code":-32602,"message":"Invalid params","data":{"pathNotExists":""}}' + #prefix + 2,
      #core.encode(err))
    -- An object also while it looks like an array, and while it is empty.
    assert.are.equal('{}', core.encode(errors.mark {}))
    assert.are.equal('[1]', core.encode(errors.mark { 1 }))
    assert.are.equal('{}', core.encode(core.decode '{}'))
    wait(count(events, 1), 'the add')
    owner:remove(prefix .. 's')
    owner:state { path = prefix .. 's', value = err }
    wait(count(events, 3), 'the second add')
    assert.are.same(err, events[3][3])
    assert.is_nil(getmetatable(events[3][3]))
  end)
end)

describe('The text of a foreign error', function()
  after_each(support.cleanup)

  --- Returns the text of the error object that a daemon sends.
  ---@param err any
  ---@return string
  local function text(err)
    local server = wire.daemon(function(connection)
      connection:greet()
      local message = connection:expect 'set'
      connection:send { id = message.id, error = err }
      connection:accept_all()
    end)
    local p = support.connected { port = server.port }
    return tostring(refusal(function(cbs) p:set('x', 1, cbs) end))
  end

  it('has data of any kind, cut between characters', function()
    assert.are.equal('odd (5): true', text { code = 5, message = 'odd', data = true })
    assert.are.equal('odd (5): {"invalidUser":false}', text { code = 5, message = 'odd', data = { invalidUser = false } })
    assert.are.equal('odd (5): unknown user', text { code = 5, message = 'odd', data = { invalidUser = true } })
    assert.are.equal('odd (5): because', text { code = 5, message = 'odd', data = { reason = 'because' } })
    local long = text { code = 5, message = 'odd', data = { x = ('\195\164'):rep(500) } }
    assert.is_truthy(#long < 230 and long:find '^odd %(5%): {"x":"[\195\164]+%.%.%.$')
    assert.are.equal(0, #long:gsub('[^\195\164]', '') % 2)
    assert.are.equal('Internal error (-32603): bare text', text 'bare text')
  end)
end)

describe('The text of an error of a blocking peer', function()
  it('is what the interpreter prints of it', function()
    local blocking = peer.new { port = jetd.shared().port, sync = true }
    local ok, err = pcall(blocking.set, blocking, 'no/such', 1)
    assert.is_false(ok)
    assert.are.equal("Invalid params (-32602): path does not exist: 'no/such'", tostring(err))
    blocking:close()
    ok, err = pcall(blocking.set, blocking, 'no/such', 1)
    assert.is_false(ok)
    assert.are.equal('Connection closed (-32000)', tostring(err))
  end)

  it('ends a program that does not catch it', function()
    if _VERSION == 'Lua 5.1' and not rawget(_G, 'jit') then
      pending 'Lua 5.1 prints strings only'
      return
    end
    local status, output = child.run([[
      local p = require 'jet.peer'.new { port = (...), sync = true }
      p:set('no/such', 1)
    ]], jetd.shared().port)
    assert.are.equal(1, status)
    assert.is_truthy(output:find("Invalid params (-32602): path does not exist: 'no/such'", 1, true), output)
  end)
end)
