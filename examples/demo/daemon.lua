--- The daemon of the demo. Listens on a free port of this machine and prints that port. Runs until it is killed.

local loop = require('jet.loop').resolve 'builtin'
local daemon = require('jet.daemon').new { port = 0, interface = '127.0.0.1', loop = loop, log = print }

daemon.start()
print(daemon.port())
io.stdout:flush()
loop.run()
