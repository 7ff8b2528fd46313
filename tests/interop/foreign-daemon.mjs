// A node-jet daemon as a process: `node foreign-daemon.mjs nj2 TCP_PORT [WS_PORT [simple]]`.

import { load } from './foreign.mjs'

const [kind, tcpPort, wsPort, fetch] = process.argv.slice(2)
const jet = await load(kind)
const daemon = new jet.Daemon(fetch ? { features: { fetch } } : undefined)
daemon.listen({ tcpPort: Number(tcpPort), ...(wsPort && { wsPort: Number(wsPort) }) })
