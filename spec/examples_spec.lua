--- The programs under `examples/`, each in a process of its own against a daemon of its own, and what they print.

--- Returns the interpreter's own command.
local function interpreter()
  local first = 0
  while arg and arg[first - 1] do
    first = first - 1
  end
  -- Lua 5.1 and 5.2 know their command only while they run a script.
  return first < 0 and arg[first] or (jit and 'luajit' or 'lua' .. _VERSION:match '%d.%d')
end

-- Seconds an example may take; each needs a small part of one.
local PATIENCE = 30

local RUN = [[
  port=$(mktemp)
  '%s' examples/demo/daemon.lua >"$port" </dev/null &
  daemon=$!
  tries=0
  until [ -s "$port" ] || [ $tries -ge 200 ]; do sleep 0.05; tries=$((tries + 1)); done
  JET_PORT=$(cat "$port") timeout %d '%s' '%s' 2>&1 </dev/null
  echo "status $?"
  kill $daemon
  rm -f "$port"
]]

--- Runs a program.
---@param file string
---@return string printed errors included, blanks between fields
local function run_file(file)
  local pipe = assert(io.popen(RUN:format(interpreter(), PATIENCE, interpreter(), file)))
  local output = pipe:read '*a'
  pipe:close()
  local printed, status = output:match '^(.-)status (%d+)%s*$'
  assert.are.equal('0', status, output)
  return (printed:gsub('[ \t]+', ' '):gsub(' \n', '\n'))
end

--- Runs an example.
---@param name string
---@return string printed
local function run(name)
  return run_file('examples/' .. name .. '.lua')
end

--- Returns the lines of one table that `top_ten` prints.
---@param heading string
---@param scores table<integer, integer> by place
---@param names table<integer, integer> by place
local function table_of(heading, names, scores)
  local lines = { heading }
  for place, name in ipairs(names) do
    lines[#lines + 1] = ('%d player/%02d %d'):format(place, name, scores[name] or name * 10)
  end
  return table.concat(lines, '\n') .. '\n'
end

describe('the example', function()
  it('first_events prints five events and ends', function()
    assert.are.equal(
      '1 add oven/temperature 20\n2 add oven/door open\n3 add oven/light true\n'
        .. '4 change oven/door closed\n5 change oven/temperature 180\n',
      run 'first_events'
    )
  end)

  it('toggle_the_fetch prints only changes that happen while it fetches', function()
    assert.are.equal(
      'counter add 1\ntoggled off\ncounter add 2\ntoggled on\ncounter change 3\ntoggled off\n',
      run 'toggle_the_fetch'
    )
  end)

  it('top_ten shows the best ten, and fewer when there are fewer', function()
    local printed = run 'top_ten'
    local first = table_of('table 1, 10 changed', { 12, 11, 10, 9, 8, 7, 6, 5, 4, 3 }, {})
    local second = table_of('table 2, 9 changed', { 12, 1, 11, 10, 9, 8, 7, 6, 5, 4 }, { 115 })
    assert.are.equal(first .. second, printed:sub(1, #first + #second))
    local last = table_of('', { 1, 9, 8, 7, 6, 5, 4, 3, 2 }, { 115 })
    assert.are.equal(last, printed:sub(-#last))
  end)

  it('net_settings answers a set in four ways, and refuses it in three', function()
    local printed = run 'net_settings'
    for _, expected in ipairs {
      'success settings/taken true\nchange settings/taken dhcp\n',
      'error settings/taken 1 no such mode\n',
      'change settings/adjusted static 192.168.0.2 255.255.255.0\n',
      'change settings/by_hand auto 10.0.0.1 255.0.0.0\nsuccess settings/by_hand true\n',
      'success settings/later true\nchange settings/later static 192.168.0.3\n',
      'error settings/later -32603 Internal error\n',
      'error settings/serial_number -32602 Invalid params\n',
    } do
      assert.is_truthy(printed:find(expected, 1, true), expected .. '\nis not in\n' .. printed)
    end
    local _, changes = printed:gsub('change ', '')
    assert.are.equal(4, changes)
  end)

  it('remove_add takes a state away and brings it back', function()
    assert.are.equal(
      'event add settings/net static\nadded\n'
        .. 'event remove settings/net static\nstep 1 removed\n'
        .. 'event add settings/net auto\nstep 2 added\n'
        .. 'event remove settings/net auto\nstep 3 removed\n'
        .. 'event add settings/net auto\nstep 4 added\n',
      run 'remove_add'
    )
  end)

  it('value counts up', function()
    assert.are.equal('add 1\nchange 2\nchange 3\nchange 4\n', run 'value')
  end)
end)
