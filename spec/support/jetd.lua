--- The daemon under the specs: a `jetd` of its own for this process, on a free port.
--
-- A shell in between ends it when this process ends, however it ends: its standard input is then
-- at its end.

local socket = require 'socket'

local jetd = {}

-- Seconds until it has to listen.
local PATIENCE = 10

--- Returns where the program is: `JETD`, or what cargo built.
---@return string
function jetd.program()
  local candidates = { os.getenv 'JETD' or '', 'build/bin/jetd', 'target/release/jetd', 'target/debug/jetd' }
  for _, path in ipairs(candidates) do
    local file = path ~= '' and io.open(path, 'rb')
    if file then
      file:close()
      return path
    end
  end
  error 'no jetd found; set JETD, or build it with: cargo build'
end

-- Ports are below those that the kernel chooses for connections, and each process takes them from a slice of its own,
-- as several processes run specs at the same time.
local FIRST_PORT, SLICE, SLICES = 10000, 60, 360
local last_port = 0

local function process_id()
  local file = assert(io.open '/proc/self/stat')
  local id = file:read '*n'
  file:close()
  return id
end

--- Returns a port that no socket listens on.
---@return integer
function jetd.free_port()
  local first = FIRST_PORT + process_id() % SLICES * SLICE
  for _ = 1, SLICE do
    last_port = (last_port + 1) % SLICE
    local server = socket.bind('127.0.0.1', first + last_port)
    if server then
      server:close()
      return first + last_port
    end
  end
  error 'no port is free'
end

--- Starts a daemon and waits until it listens.
---@param options? string more for the command line
---@return table daemon `port`, `signal(name)`, `stop()`
function jetd.start(options)
  local port = jetd.free_port()
  local script = [[
    exec 3<&0
    %s -p %d %s </dev/null >>%s 2>&1 &
    daemon=$!
    while read signal <&3; do kill -$signal $daemon; done
    kill -KILL $daemon 2>/dev/null
    wait $daemon 2>/dev/null
  ]]
  local log = os.getenv 'JETD_LOG' or '/dev/null'
  local command = script:format(jetd.program(), port, options or '', log)
  local pipe = assert(io.popen(command, 'w'))
  local daemon = { port = port }

  --- Sends a signal to the daemon.
  function daemon.signal(name)
    pipe:write(name, '\n')
    pipe:flush()
  end

  --- Ends the daemon and waits for that.
  function daemon.stop()
    if pipe then
      pipe:close()
      pipe = nil
    end
  end

  local deadline = socket.gettime() + PATIENCE
  repeat
    local probe = socket.connect('127.0.0.1', port)
    if probe then
      probe:close()
      return daemon
    end
    socket.sleep(0.01)
  until socket.gettime() > deadline
  daemon.stop()
  error('jetd does not listen on port ' .. port)
end

local shared

--- Returns the daemon that all specs of this process share; each uses its own paths.
---@return table
function jetd.shared()
  shared = shared or jetd.start()
  return shared
end

return jetd
