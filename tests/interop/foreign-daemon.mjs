// A node-jet daemon as a process: `node foreign-daemon.mjs nj2 TCP_PORT WS_PORT`.

import { load } from './foreign.mjs'

const [kind, tcpPort, wsPort] = process.argv.slice(2)
const jet = await load(kind)
const daemon = new jet.Daemon()
daemon.listen({ tcpPort: Number(tcpPort), wsPort: Number(wsPort) })
