--- A host whose loopback interface has no IPv4 address: a network namespace that only this spec has.

local jetd = require 'spec.support.jetd'

--- Runs a shell script in such a namespace.
---@param script string
---@return string|nil output nil if this machine cannot make one
local function without_ipv4(script)
  local code = "ip link set lo up && ip addr del 127.0.0.1/8 dev lo || exit 0; echo ready; " .. script
  local pipe = assert(io.popen(("unshare -rn sh -c '%s' 2>&1"):format(code)))
  local output = pipe:read '*a'
  pipe:close()
  return output:match '^ready\n(.*)$'
end

describe('A host without 127.0.0.1', function()
  it('is served on ::1', function()
    local name = os.tmpname()
    local output = without_ipv4(([[
      %s -p 0 >%s 2>&1 &
      for try in $(seq 100); do
        grep -q "listening on" %s && break
        sleep 0.1
      done
      kill $!
      cat %s
    ]]):format(jetd.program(), name, name, name))
    os.remove(name)
    if not output then
      return pending 'no network namespace can be made here'
    end
    assert.is_truthy(output:find('listening on [::1]:', 1, true), output)
  end)
end)
