--- docs/api.md against what the modules offer: every function and option has its entry, no entry is stale, and
-- arguments are as annotated.
--
-- An entry is a heading such as "### `pi:set(path, value, callbacks?)`". A heading with the name of a class of the
-- annotations, such as "(`jet.Config`)", is followed by a table of its fields.

local annotations = require 'spec.support.annotations'
local core = require 'jet.core'
local jet = require 'jet'
local support = require 'spec.support.fixture'

local classes = annotations.read()

--- Functions of objects that are not for programs; with the receiver where another object has a public one of that name.
local INTERNAL = {
  new = true, create = true, extend = true, request = true,
  class = true, object = true, is_loop = true, check_loop = true, lose = true, ['watcher:count'] = true,
}

--- The word that stands for an object in the headings, and the class that its functions are annotated in.
local RECEIVERS = {
  pi = 'jet.Peer',
  element = 'jet.Element',
  state = 'jet.State',
  fetcher = 'jet.Fetcher',
  blocking = 'jet.SyncPeer',
  loop = 'jet.ev.Loop',
  watcher = 'jet.ev.Watcher',
  timer = 'jet.ev.Timer',
  io = 'jet.ev.IO',
  signal = 'jet.ev.Signal',
  idle = 'jet.ev.Idle',
  async = 'jet.ev.Async',
}

local page = assert(io.open 'docs/api.md')
local text = page:read '*a'
page:close()

--- Returns the arguments that the page shows for each function of a receiver, by the function's name.
local function documented(receiver, separator)
  local found = {}
  for heading in text:gmatch '\n### ([^\n]+)' do
    for entry in heading:gsub('%(`.-`%)', ''):gmatch '`([^`]+)`' do
      local name, list = entry:match('^' .. receiver .. separator .. '([%w_]+)(.*)$')
      list = list and (list == '' and list or list:match '^%((.*)%)$')
      if list then
        assert(not found[name], entry .. ' has two entries')
        found[name] = list
      end
    end
  end
  return found
end

--- Returns the words in the first columns of the table behind the heading that names a class.
local function table_of(class)
  local behind = text:match('\n###? [^\n]*%(`' .. class:gsub('%.', '%%.') .. '`%)\n(.*)')
  assert(behind, 'no heading names ' .. class)
  local found = {}
  for line in behind:match('\n(|.-\n)[^|]'):gmatch '[^\n]+' do
    for word in line:match('^|(.-)|'):gmatch '`([%w_]+)`' do
      found[word] = true
    end
  end
  return found
end

--- Checks that two sets of names are the same.
local function check_names(expected, found, what)
  for name in pairs(expected) do
    assert.is_truthy(found[name], ('%s: %s has no entry in docs/api.md'):format(what, name))
  end
  for name in pairs(found) do
    assert.is_truthy(expected[name], ('%s: docs/api.md describes %s, which does not exist'):format(what, name))
  end
end

--- Returns the public functions of a class at run time: its own ones, not those of `base`.
local function functions_of(class, base, receiver)
  local names = {}
  for name, value in pairs(class) do
    local is_public = type(value) == 'function' and not name:find '^_'
    local is_internal = INTERNAL[name] or INTERNAL[('%s:%s'):format(receiver or '', name)]
    if is_public and not is_internal and not (base and base[name] == value) then
      names[name] = true
    end
  end
  return names
end

--- Checks names and arguments of the functions of a receiver.
local function check_functions(receiver, class, base)
  local expected, found = functions_of(class, base, receiver), documented(receiver, '[:.]')
  check_names(expected, found, receiver)
  local annotated = classes[RECEIVERS[receiver]]
  for name in pairs(expected) do
    local arguments = annotated and annotated.functions[name]
    if arguments then
      assert.are.equal(arguments, found[name], ('arguments of %s:%s'):format(receiver, name))
    end
  end
end

--- Returns the table that an object finds its functions in.
local function class_of(object)
  return getmetatable(object).__index
end

--- Values that keys of fetch expressions have: one of these suits each key.
local OPERANDS = {
  true, 1, 'number', { 'number' }, {}, { path = 'p', where = {} }, { { path = 'p', where = {} } }, { field = 'number' },
  { op = 'equals', value = 1 }, { field = {} },
}

--- Returns whether a key such as `path.equals` is known in fetch expressions.
local function is_key(key)
  local outer, inner = key:match '^(%w+)%.?(%w*)$'
  for _, operand in ipairs(OPERANDS) do
    local expression = { [outer] = inner == '' and operand or { [inner] = operand } }
    if key == 'sort.prop' then
      expression.sort.byValue = true
    elseif key == 'caseInsensitive' then
      expression.match = { 'p' }
    end
    local warnings = core.check_fetch(jet.encode(expression))
    if warnings and #warnings == 0 then
      return true
    end
  end
  return false
end

describe('docs/api.md', function()
  after_each(support.cleanup)

  it('has the functions of the peer and its objects', function()
    local pi, path = support.connected(), support.prefix()
    local state = pi:state { path = path .. 'state', value = 1 }
    local method = pi:method { path = path .. 'method', call = print }
    local raw = pi:add({ path = path .. 'raw' }, print)
    local element = class_of(getmetatable(class_of(state)) and class_of(state) or state)
    check_functions('pi', class_of(pi))
    check_functions('element', element)
    check_functions('state', class_of(state), element)
    assert.are.same({}, functions_of(class_of(method), element))
    assert.are.same({}, functions_of(class_of(raw), element))
    check_functions('fetcher', class_of(pi:fetch('^' .. path, print)))
  end)

  it('has the functions of the blocking peer', function()
    local blocking = jet.peer.new { sync = true, port = require('spec.support.jetd').shared().port }
    check_functions('blocking', class_of(blocking))
    blocking:close()
  end)

  it('has the functions of the daemon', function()
    local daemon = jet.daemon.new { port = 0 }
    check_names(daemon, documented('daemon', '%.'), 'daemon')
    check_names(daemon, classes['jet.Daemon'].fields, 'annotations of the daemon')
  end)

  it('has what the modules export', function()
    check_names(jet, documented('jet', '%.'), 'jet')
    check_names(jet.peer, documented('jet%.peer', '%.'), 'jet.peer')
    check_names(jet.daemon, documented('jet%.daemon', '%.'), 'jet.daemon')
    local utils = {}
    for name in text:gmatch '`utils%.([%w_]+)%(' do
      utils[name] = true
    end
    check_names(require 'jet.utils', utils, 'jet.utils')
  end)

  it('has the loops and watchers of jet.ev', function()
    local ev = require 'jet.ev'
    local watcher = getmetatable(ev.Timer).__index
    check_functions('loop', ev.Loop)
    check_functions('watcher', watcher)
    local exported, described = {}, table_of 'jet.ev'
    for name in pairs(documented('ev', '%.')) do
      described[name] = true
    end
    for name, value in pairs(ev) do
      exported[name] = true
      if type(value) == 'table' then
        local new = documented('ev%.' .. name, '%.').new
        assert.are.equal(classes['jet.ev.' .. name].functions.new, new, name .. '.new')
        if name ~= 'Loop' then
          check_functions(name:lower(), value, watcher)
        end
      end
    end
    check_names(exported, described, 'jet.ev')
  end)

  it('describes only keys of fetch expressions that exist', function()
    local section = text:match '\n## Fetch expressions\n(.-)\n## '
    local described = 0
    for line in section:gmatch '\n|([^\n]*)' do
      for key in line:match('^(.-)|'):gmatch '`([%w_.]+)`' do
        described = described + 1
        assert.is_true(is_key(key), ('docs/api.md describes the key %s, which does not exist'):format(key))
      end
    end
    assert.is_true(described > 40)
    assert.is_false(is_key 'path.startsWithout')
  end)

  it('has the options that the modules read', function()
    for class, names in pairs { ['jet.Config'] = core.option_names.peer, ['jet.DaemonOptions'] = core.option_names.daemon } do
      local declared = {}
      for _, name in ipairs(names) do
        declared[name] = true
      end
      -- An option of the earlier daemon that has no effect.
      declared.print = nil
      check_names(declared, table_of(class), class)
    end
  end)

  for _, class in ipairs {
    'jet.Config', 'jet.TlsConfig', 'jet.DaemonLimits', 'jet.Callbacks', 'jet.StateDescription', 'jet.MethodDescription',
    'jet.SetReply', 'jet.Access', 'jet.DaemonOptions', 'jet.DaemonTls', 'jet.User', 'jet.Auth',
  } do
    it('has the fields of ' .. class, function()
      check_names(classes[class].fields, table_of(class), class)
    end)
  end
end)
