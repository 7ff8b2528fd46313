--- Users of a daemon in a Lua program: `daemon.new{users = ...}` and `users_file`.

local core = require 'jet.core'
local daemon = require 'jet.daemon'
local builtin = require 'jet.loop.builtin'
local socket = require 'socket'
local wire = require 'spec.support.wire'

--- An argon2id hash of 'secret' that takes no time to verify.
local HASH = '$argon2id$v=19$m=8,t=1,p=1$juVur+M5azaY0xtjoZ1dHw$nAzBNPbeaqpgma7CF9rr0rQD7yJKW8gtBJkw47546bo'

local ANN = { hash = HASH, auth = { fetchGroups = { 'a' }, setGroups = { 'a' } } }

--- Returns the message of an error that `f` must raise.
---@param f function
---@return string
local function raised(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe('users of jet.daemon', function()
  local loop, running, connections, files

  before_each(function()
    loop, running, connections, files = builtin.new(), {}, {}, {}
  end)

  after_each(function()
    for _, connection in ipairs(connections) do
      connection:close()
    end
    for _, instance in ipairs(running) do
      pcall(instance.stop)
    end
    for _, file in ipairs(files) do
      os.remove(file)
    end
  end)

  --- Makes and starts a daemon on a free port that ends with the test.
  ---@param options table
  ---@return jet.Daemon
  local function started(options)
    options.port, options.loop, options.interface = 0, loop, options.interface or '127.0.0.1'
    local instance = daemon.new(options)
    instance.start()
    running[#running + 1] = instance
    return instance
  end

  --- Asks the daemon something over a connection of its own; it answers from its own thread.
  ---@param instance jet.Daemon
  ---@return fun(method: string, params: any): any, table
  local function connect(instance)
    local connection = assert(socket.connect('127.0.0.1', instance.port()))
    connection:settimeout(20)
    connections[#connections + 1] = connection
    return function(method, params)
      assert(connection:send(wire.frame { id = 1, method = method, params = params }))
      local a, b, c, d = assert(connection:receive(4)):byte(1, 4)
      local length = ((a * 256 + b) * 256 + c) * 256 + d
      local answer = assert(core.decode(assert(connection:receive(length))))
      return answer.result, answer.error
    end
  end

  --- Returns a connection that has logged in.
  local function logged_in(instance, user, password)
    local ask = connect(instance)
    local auth, problem = ask('authenticate', { user = user, password = password })
    assert.is_table(auth, problem and core.encode(problem))
    return ask, auth
  end

  it('see and set what is for their groups', function()
    local instance = started { users = { ann = ANN } }
    local owner, stranger = connect(instance), connect(instance)
    owner('add', { path = 'a', value = 1, access = { fetchGroups = { 'a' }, setGroups = { 'b' } } })
    assert.are.same({}, stranger('get'))
    local ask, auth = logged_in(instance, 'ann', 'secret')
    assert.are.same({ fetchGroups = { 'a' }, setGroups = { 'a' }, callGroups = {} }, auth)
    assert.are.same({ { path = 'a', event = 'add', value = 1, fetchOnly = true } }, ask('get'))
    local _, problem = ask('set', { path = 'a', value = 2 })
    assert.are.same({ noAccess = 'a' }, problem.data)
    assert.is_true(ask('info').features.authenticate)
  end)

  it('are distinguished by their passwords', function()
    local instance = started { users = { ann = ANN, bob = { password = 'p\195\164ss' } } }
    local ask = connect(instance)
    local cases = {
      { 'ann', 'p\195\164ss', 'invalidPassword' },
      { 'bob', '', 'invalidPassword' },
      { 'eve', 'secret', 'invalidUser' },
    }
    for _, case in ipairs(cases) do
      local _, problem = ask('authenticate', { user = case[1], password = case[2] })
      assert.are.same({ [case[3]] = true }, problem.data)
    end
    local _, auth = logged_in(instance, 'bob', 'p\195\164ss')
    assert.are.same({ fetchGroups = {}, setGroups = {}, callGroups = {} }, auth)
  end)

  it('change passwords until the daemon stops', function()
    local users = { ann = ANN, root = { hash = HASH, admin = true }, guest = { hash = HASH, readonly = true } }
    local instance = started { users = users }
    local root, guest = logged_in(instance, 'root', 'secret'), logged_in(instance, 'guest', 'secret')
    assert.is_true(root('passwd', { user = 'ann', password = 'other' }))
    assert.is_nil(guest('passwd', { user = 'guest', password = 'other' }))
    logged_in(instance, 'ann', 'other')
    instance.stop()
    instance.start()
    logged_in(instance, 'ann', 'secret')
  end)

  it('change passwords for good where there is a file', function()
    local file = os.tmpname()
    files[1] = file
    local handle = assert(io.open(file, 'w'))
    handle:write((assert(core.encode { users = { ann = ANN } })))
    handle:close()
    local instance = started { users_file = file }
    local ann, auth = logged_in(instance, 'ann', 'secret')
    assert.are.same({ 'a' }, auth.setGroups)
    assert.is_true(ann('passwd', { user = 'ann', password = 'other' }))
    instance.stop()
    instance.start()
    logged_in(instance, 'ann', 'other')
  end)

  it('can be none, so that no login succeeds', function()
    local instance = started { users = {} }
    local owner, stranger = connect(instance), connect(instance)
    owner('add', { path = 'a', value = 1, access = {} })
    assert.are.same({}, stranger('get'))
    assert.is_nil(stranger('authenticate', { user = 'ann', password = 'secret' }))
  end)

  it('are checked at the caller, with the name of the member', function()
    local cases = {
      { { users = 'ann' }, 'options.users' },
      { { users = { [1] = ANN } }, 'options.users, a name' },
      { { users = { ann = 'secret' } }, 'options.users.ann' },
      { { users = { ann = {} } }, "'password' or 'hash'" },
      { { users = { ann = { password = 'x', hash = HASH } } }, "'password' or 'hash'" },
      { { users = { ann = { password = 5 } } }, 'options.users.ann.password' },
      { { users = { ann = { hash = HASH, admin = 'yes' } } }, 'options.users.ann.admin' },
      { { users = { ann = { hash = HASH, fetchGroups = { 'a' } } } }, "unknown member 'fetchGroups'" },
      { { users = { ann = { hash = HASH, auth = { 'a' } } } }, 'options.users.ann.auth' },
      { { users = { ann = { hash = HASH, auth = { setGroup = {} } } } }, "did you mean 'setGroups'" },
      { { users = { ann = { hash = HASH, auth = { setGroups = 'a' } } } }, 'options.users.ann.auth.setGroups' },
      { { users = { ann = { hash = HASH, auth = { setGroups = { a = true } } } } }, 'options.users.ann.auth.setGroups' },
      { { users = { ann = { hash = HASH, auth = { callGroups = { 1 } } } } }, 'options.users.ann.auth.callGroups[1]' },
      { { users_file = {} }, 'options.users_file' },
      { { users = {}, users_file = 'x' }, 'options.users_file' },
    }
    for _, case in ipairs(cases) do
      local message = raised(function()
        daemon.new(case[1])
      end)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_truthy(message:find('users_spec.lua', 1, true), message)
    end
  end)

  it('that cannot be read keep the daemon from starting', function()
    local cases = {
      { { users = { ann = { hash = '$argon2id$secret' } } }, 'users.ann' },
      { { users_file = '/nonexistent/users.json' }, '/nonexistent/users.json' },
    }
    for _, case in ipairs(cases) do
      local instance = daemon.new { port = 0, loop = loop, users = case[1].users, users_file = case[1].users_file }
      local message = raised(function()
        instance.start()
      end)
      assert.is_truthy(message:find(case[2], 1, true), message)
      assert.is_truthy(message:find('users_spec.lua', 1, true), message)
      assert.is_nil(message:find('secret', 1, true), message)
    end
  end)

  it('are missed where other machines can reach the daemon', function()
    local cases = {
      { nil, nil, 1 },
      { nil, '0.0.0.0', 1 },
      { {}, nil, 0 },
      { { ann = ANN }, nil, 0 },
      { nil, '127.0.0.1', 0 },
    }
    for _, case in ipairs(cases) do
      local lines = {}
      local instance = daemon.new {
        port = 0,
        loop = loop,
        users = case[1],
        interface = case[2],
        info = function(text)
          lines[#lines + 1] = text
        end,
      }
      instance.start()
      instance.stop()
      assert.are.equal(case[3], #lines, lines[1])
      assert.is_truthy(not lines[1] or lines[1]:find('without users', 1, true), lines[1])
    end
  end)
end)
