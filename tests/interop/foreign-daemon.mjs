// A node-jet daemon as a process: `node foreign-daemon.mjs nj2 TCP_PORT [WS_PORT [simple]]`.

import { load } from './foreign.mjs'
import { addUsers, USERS } from './users.mjs'

const ADMIN = 'root'

const [kind, tcpPort, wsPort, fetch] = process.argv.slice(2)
const jet = await load(kind)
const users = kind === 'nj3' ? { username: ADMIN, password: 'root of all' } : { users: USERS }
const daemon = new jet.Daemon({ ...users, ...(fetch && { features: { fetch } }) })
if (kind === 'nj3') addUsers(daemon, ADMIN)
daemon.listen({ tcpPort: Number(tcpPort), ...(wsPort && { wsPort: Number(wsPort) }) })
