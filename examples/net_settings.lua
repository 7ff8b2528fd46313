--- States that other peers may set: four ways to handle a set, and a read-only state.
-- Run it with a daemon on port JET_PORT (default 11122).

local peer = require 'jet.peer'

local pi = peer.new { port = os.getenv 'JET_PORT', name = 'settings' }

local function net()
  return { mode = 'static', address = '182.167.233.10', subnet = '' }
end

-- 1. Without a result the state takes the requested value.
pi:state {
  path = 'settings/taken',
  value = net(),
  set = function(requested_net)
    if requested_net.mode ~= 'static' and requested_net.mode ~= 'dhcp' then
      error { code = 1, message = 'no such mode', data = requested_net.mode }
    end
  end,
}

-- 2. The state takes the returned value.
pi:state {
  path = 'settings/adjusted',
  value = net(),
  set = function(requested_net)
    return {
      mode = requested_net.mode,
      address = requested_net.address,
      subnet = '255.255.255.0',
    }
  end,
}

-- 3. With `true` as the second result the handler publishes the new value itself.
local by_hand
by_hand = pi:state {
  path = 'settings/by_hand',
  value = net(),
  set = function()
    by_hand:value { mode = 'auto', address = '10.0.0.1', subnet = '255.0.0.0' }
    return nil, true
  end,
}

-- 4. set_async: replies when another action is complete.
pi:state {
  path = 'settings/later',
  value = net(),
  set_async = function(reply, requested_net)
    pi:call('hardware/apply', { requested_net.address }, {
      success = function(ok)
        reply { result = ok }
      end,
      error = function(err)
        reply { error = err }
      end,
    })
  end,
}

-- The other peer: prints all changes, and sets one state after the other.
local wishes = {
  { 'settings/taken', { mode = 'dhcp', address = '', subnet = '' } },
  { 'settings/taken', { mode = 'magic' } },
  { 'settings/adjusted', { mode = 'static', address = '192.168.0.2' } },
  { 'settings/by_hand', { mode = 'static' } },
  { 'settings/later', { mode = 'static', address = '192.168.0.3', subnet = '' } },
  { 'settings/later', { mode = 'static', address = 'nowhere' } },
  { 'settings/serial_number', 4712 },
}

local function use()
  local user = peer.new { port = os.getenv 'JET_PORT', name = 'user' }
  user:fetch('^settings/', function(path, event, value)
    if event == 'change' then
      print(event, path, value.mode, value.address, value.subnet)
    end
  end)

  local function wish(index)
    if not wishes[index] then
      user:close()
      return pi:close()
    end
    local path, value = wishes[index][1], wishes[index][2]
    user:set(path, value, {
      success = function(result)
        print('success', path, result)
        wish(index + 1)
      end,
      error = function(err)
        print('error', path, err.code, err.message)
        wish(index + 1)
      end,
    })
  end
  wish(1)
end

pi:method {
  path = 'hardware/apply',
  call = function(address)
    assert(address:match '^%d+%.%d+%.%d+%.%d+$', 'not an address')
    return true
  end,
}

-- Without set and set_async a state is read-only. Once this last state is added, the others are as well.
pi:state({
  path = 'settings/serial_number',
  value = 4711,
}, {
  success = use,
})

pi:loop()
