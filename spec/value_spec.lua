--- Lua values as JSON and back: what programs see of `encode`, `decode`, `array` and `null`.
-- Peers convert values in the same way; their use of values has its own specs.

local core = require 'jet.core'
local null, array, encode, decode = core.null, core.array, core.encode, core.decode

local has_integers = math.type ~= nil

--- JSON of a value that can be sent.
local function json(value)
  return (assert(encode(value)))
end

--- Returns the message of encode about a value that cannot be sent.
local function refusal(value, ...)
  local text, message = encode(value, ...)
  assert.is_nil(text)
  assert.is_string(message)
  return message
end

--- Returns the sorted members of an object's JSON, for objects without nesting.
local function members(text)
  local list = {}
  for member in text:match '^{(.*)}$':gmatch '[^,]+' do
    list[#list + 1] = member
  end
  table.sort(list)
  return table.concat(list, ',')
end

--- Returns a table around itself, `levels` deep.
local function nested(levels)
  local value = {}
  for _ = 2, levels do
    value = { value }
  end
  return value
end

describe('null', function()
  it('is a light userdata that is true and not nil', function()
    assert.are.equal('userdata', type(null))
    assert.is_truthy(null)
  end)

  it('is written and read at every place', function()
    assert.are.equal('null', json(null))
    assert.are.equal('[1,null,2]', json { 1, null, 2 })
    assert.are.equal('{"a":null}', json { a = null })
    assert.are.equal(null, decode 'null')
    assert.are.equal(null, decode '[null]'[1])
    assert.are.equal(null, decode '{"a":null}'.a)
  end)

  it('is the one of lua-cjson', function()
    local found, cjson = pcall(require, 'cjson')
    if not found then
      return pending 'lua-cjson is not installed'
    end
    assert.are.equal(cjson.null, null)
    assert.are.equal('null', cjson.encode(null))
    assert.are.equal('null', json(cjson.null))
  end)

  it('stands for nil at the top, and nil in a table is absent', function()
    assert.are.equal('null', json(nil))
    assert.are.equal('{"b":1}', json { a = nil, b = 1 })
  end)
end)

describe('arrays', function()
  it('are tables with the keys 1 to n', function()
    assert.are.equal('["a","b",["c"]]', json { 'a', 'b', { 'c' } })
    assert.are.equal('[false]', json { false })
  end)

  it('stay arrays when they come back, also empty ones', function()
    for _, text in ipairs { '[]', '{}', '[[],{}]', '{"list":[]}', '[1,[2,[]]]' } do
      assert.are.equal(text, json(decode(text)))
    end
  end)

  it('stay arrays when they are emptied', function()
    local list = decode '[1,2]'
    list[1], list[2] = nil, nil
    assert.are.equal('[]', json(list))
  end)

  it('can be marked', function()
    assert.are.equal('{}', json {})
    assert.are.equal('[]', json(array {}))
    assert.are.equal('[]', json(array()))
    local list = {}
    assert.are.equal(list, array(list))
    assert.are.equal(list, array(list))
  end)

  it('are objects when they get other keys', function()
    local list = decode '[1,2]'
    list.n = 2
    assert.are.equal('"1":1,"2":2,"n":2', members(json(list)))
  end)

  it('compare like plain tables', function()
    assert.are.same({ 1, { 2 } }, decode '[1,[2]]')
  end)

  it('leave a metatable of the program alone, which may carry the mark itself', function()
    local own = setmetatable({}, { __index = { a = 1 } })
    local ok, message = pcall(array, own)
    assert.is_false(ok)
    assert.matches('metatable', message)
    assert.are.equal('{}', json(own))
    local marked = setmetatable({}, { __index = { a = 1 }, __jsontype = 'array' })
    assert.are.equal(marked, array(marked))
    assert.are.equal('[]', json(marked))
  end)

  it('cannot be made of anything but a table', function()
    assert.has_error(function() array(5) end)
    assert.has_error(function() array 'x' end)
  end)
end)

describe('holes', function()
  it('become null', function()
    assert.are.equal('[1,null,3]', json { 1, nil, 3 })
    assert.are.equal('[null,null,3]', json { [3] = 3 })
    assert.are.equal('[null,null,null,null,null,null,null,null,null,1]', json { [10] = 1 })
  end)

  it('may be up to half of an array of more than ten', function()
    assert.are.equal('[1,2,3,4,5,null,null,null,null,null,null,12]', json { 1, 2, 3, 4, 5, [12] = 12 })
    assert.matches('excessively sparse', refusal { 1, 2, 3, 4, 5, [13] = 13 })
    assert.matches('excessively sparse', refusal { [11] = 1 })
    assert.matches('value%.list: .*excessively sparse array %(1 of 11 places filled%)', refusal { list = { [11] = 1 } })
  end)

  it('do not exhaust memory', function()
    assert.matches('excessively sparse', refusal { [2 ^ 31] = 1 })
    assert.matches('excessively sparse', refusal { [2 ^ 53] = 1 })
    assert.matches('excessively sparse', refusal { 1, 2, [2 ^ 62] = 1 })
  end)
end)

describe('Keys that become the same', function()
  it('are refused by name', function()
    for _, value in ipairs {
      { ['1'] = 'a', [1] = 'b' },
      { ['-1'] = 'a', [-1] = 'b' },
      { ['1.5'] = 'a', [1.5] = 'b', x = 1 },
      { ['inf'] = 'a', [math.huge] = 'b' },
    } do
      local key = next(value)
      assert.is_truthy(key)
      assert.matches('^value%[[^%]]+%]: cannot send a key twice', refusal(value):gsub('value%.inf:', 'value[inf]:'))
    end
    local deep = { ['7'] = 1, [7] = 2, x = 3 }
    assert.matches('^value%.list%.deep%["?7"?%]: cannot send a key twice', refusal { list = { deep = deep } })
    assert.matches('cannot send a key twice', refusal { ['\233'] = 1, ['\195\169'] = 2 })
  end)

  it('are no others', function()
    assert.is_truthy(json { ['1'] = 'a', [2] = 'b', ['-'] = 'c', ['01'] = 1, i = 2 })
    assert.is_truthy(json { ['\233'] = 1, ['\232'] = 2 })
  end)
end)

describe('objects', function()
  it('have numbers as keys written as strings', function()
    assert.are.equal('"-1":1,"1":2,"1.5":3,"x":4', members(json { [-1] = 1, [1] = 2, [1.5] = 3, x = 4 }))
    assert.are.equal('{"0":1}', json { [0] = 1 })
    assert.are.equal('{"-3":1}', json { [-3] = 1 })
    assert.are.equal('{"0.1":1}', json { [0.1] = 1 })
    assert.are.equal('{"inf":1}', json { [math.huge] = 1 })
  end)

  it('keep numeric strings as strings', function()
    assert.are.equal('{"1":1}', json { ['1'] = 1 })
    local object = decode '{"1":"a"}'
    assert.are.equal('a', object['1'])
    assert.is_nil(object[1])
  end)

  it('refuse other keys', function()
    assert.matches('^value: .*boolean as key', refusal { [true] = 1 })
    assert.matches('^value%.a: .*table as key', refusal { a = { [{}] = 1 } })
    assert.matches('^value: .*function as key', refusal { [print] = 1, x = 1 })
  end)

  it('have the last of duplicate keys', function()
    assert.are.equal(2, decode '{"a":1,"b":0,"a":2}'.a)
  end)

  it('may have any string as key', function()
    assert.are.equal('{"":1}', json { [''] = 1 })
    assert.are.equal('{"a\\"b\\n\\u0000":1}', json { ['a"b\n\0'] = 1 })
    assert.are.equal(1, decode '{"a\\u0000b":1}'['a\0b'])
  end)
end)

describe('numbers', function()
  it('are written as short as reads back the same', function()
    local texts = { ['0'] = 0, ['5'] = 5, ['-7'] = -7, ['0.1'] = 0.1, ['-2.5'] = -2.5, ['21.37'] = 21.37 }
    texts['0.30000000000000004'] = 0.1 + 0.2
    texts['3.141592653589793'] = math.pi
    texts['1e300'] = 1e300
    texts['5e-324'] = 5e-324
    texts['0.0001'] = 0.0001
    texts['1234567.8901'] = 1234567.8901
    for text, number in pairs(texts) do
      assert.are.equal(text, json(number))
      assert.are.equal(number, decode(text))
    end
  end)

  it('are exact around 2^53', function()
    for _, text in ipairs { '9007199254740991', '9007199254740992', '-9007199254740991', '100000000000000' } do
      assert.are.equal(text, json(decode(text)))
    end
    assert.are.equal(2 ^ 53, decode '9007199254740992')
  end)

  it('are 64 bit integers where Lua has them, else doubles', function()
    local huge = { '9007199254740993', '9223372036854775807', '-9223372036854775808' }
    for _, text in ipairs(huge) do
      local back = json(decode(text))
      assert.are.equal(has_integers and text or json(tonumber(text)), back)
    end
    assert.are.equal(2 ^ 63, decode '9223372036854775808')
    assert.are.equal(1e25, decode '10000000000000000000000000')
    assert.are.equal(0, decode '1e-400')
  end)

  it('distinguish integers from floats where Lua does', function()
    if not has_integers then
      assert.are.equal('1', json(decode '1.0'))
      return
    end
    assert.are.equal('float', math.type(decode '1.0'))
    assert.are.equal('float', math.type(decode '1e2'))
    assert.are.equal('integer', math.type(decode '100'))
    assert.are.equal('1.0', json(1.0))
    assert.are.equal('1', json(1))
    assert.are.equal('1e16', json(1e16))
    assert.are.equal('float', math.type(decode(json(1e16))))
  end)

  it('keep the sign of a zero that is a float', function()
    assert.are.equal(-math.huge, 1 / decode '-0.0')
    assert.are.equal(has_integers and '-0.0' or '-0', json(-0.0 * 1))
  end)

  it('refuse NaN and infinities', function()
    assert.are.equal('value: cannot send NaN', refusal(0 / 0))
    assert.are.equal('value: cannot send inf', refusal(math.huge))
    assert.are.equal('value.a[2]: cannot send -inf', refusal { a = { 1, -math.huge } })
    assert.is_nil((decode 'NaN'))
    assert.is_nil((decode '1e400'))
  end)
end)

describe('strings', function()
  it('escape what JSON demands and nothing else', function()
    assert.are.equal([["a/b \"q\" \\ \n\r\t\u0000\u001f]] .. '\127"', json 'a/b "q" \\ \n\r\t\0\31\127')
  end)

  it('read every escape', function()
    assert.are.equal('"\\/\b\f\n\r\tA', decode [["\"\\\/\b\f\n\r\t\u0041"]])
    assert.are.equal('a\0b', decode [["a\u0000b"]])
    assert.are.equal('\195\169\226\130\172\240\159\152\128', decode [["\u00e9\u20AC\ud83d\ude00"]])
  end)

  it('read half a surrogate pair as the replacement character', function()
    assert.are.equal('\239\191\189', decode [["\ud83d"]])
    assert.are.equal('\239\191\189x', decode [["\ude00x"]])
  end)

  it('take each byte that is no UTF-8 as Latin-1, wherever it is', function()
    assert.are.equal('"20 \194\176C"', json '20 \176C')
    assert.are.equal('{"\194\176":"\195\169\195\191"}', json { ['\176'] = '\195\169\255' })
    assert.are.equal('20 \194\176C', decode '"20 \176C"')
  end)

  it('are refused when that is asked for', function()
    local text, message = encode({ unit = '\176C' }, 'value', nil, nil, true)
    assert.is_nil(text)
    assert.are.equal('value.unit: cannot send a string that is not UTF-8', message)
    assert.are.equal('"\194\176C"', encode('\194\176C', 'value', nil, nil, true))
  end)

  it('may be large', function()
    local large = ('0123456789\n'):rep(500000)
    assert.are.equal(large, decode(json(large)))
  end)
end)

describe('what has no JSON', function()
  it('is refused by name and place', function()
    assert.are.equal('value: cannot send a function', refusal(print))
    assert.are.equal('value.list[3]: cannot send a function', refusal { list = { 1, 2, print } })
    assert.are.equal('value.a.b_2["c d"]: cannot send a thread',
      refusal { a = { b_2 = { ['c d'] = coroutine.create(function() end) } } })
    assert.are.equal('value[-1]: cannot send a userdata', refusal { [-1] = io.stdout })
    assert.are.equal('args.x: cannot send a function', refusal({ x = print }, 'args'))
  end)

  it('is no cdata', function()
    local found, made = pcall(function() return require 'ffi'.new('int64_t', 5) end)
    if found and type(made) == 'cdata' then
      assert.are.equal('value[1]: cannot send a cdata', refusal { made })
    end
  end)

  it('leaves nothing behind', function()
    assert.are.equal('value[2]: cannot send a function', refusal { 1, print })
    assert.are.equal('[1]', json { 1 })
  end)

  it('runs no metamethod', function()
    local trap = function() error 'called' end
    local guarded = setmetatable({ 1, 2 }, { __index = trap, __len = trap, __pairs = trap, __tostring = trap })
    assert.are.equal('[1,2]', json(guarded))
  end)
end)

describe('nesting', function()
  it('may be a thousand levels, both ways', function()
    local text = ('['):rep(1000) .. (']'):rep(1000)
    assert.are.equal(text, json(decode(text)))
    assert.are.equal(('['):rep(999) .. '{}' .. (']'):rep(999), json(nested(1000)))
    local objects = ('{"a":'):rep(999) .. '{}' .. ('}'):rep(999)
    assert.are.equal(objects, json(decode(objects)))
  end)

  it('is refused beyond', function()
    assert.matches('nested deeper than 1000 levels', refusal(nested(1001)))
    local value, message = decode(('['):rep(1001) .. (']'):rep(1001))
    assert.is_nil(value)
    assert.matches('too deep', message)
  end)

  it('has a limit that can be changed, within what a Lua stack holds', function()
    assert.is_string(encode(nested(3), 'value', nil, 3))
    assert.matches('deeper than 3 levels', refusal(nested(4), 'value', nil, 3))
    assert.is_string(encode(nested(2000), 'value', nil, 1e9))
    assert.matches('deeper than 2000 levels', refusal(nested(2001), 'value', nil, 1e9))
    local objects = ('{"a":'):rep(1999) .. '[]' .. ('}'):rep(1999)
    assert.are.equal(objects, encode(decode(objects, 1e9), 'value', nil, 1e9))
    assert.is_nil((decode('[' .. objects .. ']', 1e9)))
  end)

  it('finds cycles', function()
    local list = { 1 }
    list[2] = list
    assert.matches('^value%[2%]%[2%]%[2%]%[2%] %.%.%. .*or a cycle$', refusal(list))
    local a, b = {}, {}
    a.b, b.a = b, a
    assert.matches('or a cycle', refusal { a })
  end)

  it('works near the end of the Lua stack', function()
    local function down(levels)
      if levels == 0 then
        return json(nested(1000))
      end
      local text = down(levels - 1)
      return text
    end
    assert.are.equal(#json(nested(1000)), #down(150))
    local inside = coroutine.wrap(function() return json(nested(1000)) end)
    assert.are.equal(2000, #inside())
  end)
end)

describe('size', function()
  it('has a limit, which also ends what refers to itself many times', function()
    local tree = { 1 }
    for _ = 1, 200 do
      tree = { tree, tree }
    end
    assert.matches('more than 10000000 bytes', refusal(tree))
    assert.matches('more than 10000000 bytes', refusal(('x'):rep(10000001)))
    assert.matches('more than 20 bytes', refusal({ a = ('x'):rep(21) }, 'value', 20))
    assert.is_string(encode({ ('x'):rep(10000001) }, 'value', 2e7))
  end)
end)

describe('texts that are no JSON', function()
  it('give nil and what is wrong where', function()
    local bad = { '', ' ', '{', '[1,]', '{"a" 1}', "'a'", '01', '+1', 'nul', '"\n"', '[1] 2', '\239\187\191{}' }
    for _, text in ipairs(bad) do
      local value, message = decode(text)
      assert.is_nil(value, text)
      assert.matches('at byte %d+', message)
    end
  end)

  it('raise when they are no text at all', function()
    assert.has_error(function() decode(nil) end)
    assert.has_error(function() decode {} end)
  end)

  it('may have blanks around and inside', function()
    assert.are.same({ a = { 1, { b = true } } }, decode ' \t{ "a" : [ 1 ,\r\n { "b" : true } ] } \n')
  end)
end)
