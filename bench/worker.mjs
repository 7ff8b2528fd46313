// The workloads of worker.lua on node-jet: `node worker.mjs owner PORT`, `node worker.mjs client PORT SECONDS
// WORKLOAD`, and `node worker.mjs daemon PORT WS_PORT`. The version is that of KIND below.

import { load } from '../tests/interop/foreign.mjs'

const KIND = 'nj3'
const WINDOW = 100
const WARM_UP_MS = 500

const [role, port, seconds, workload] = process.argv.slice(2)
const jet = await load(KIND)
let count = 0

const connect = async () => {
  const peer = new jet.Peer({ ip: '127.0.0.1', port: Number(port) })
  await peer.connect()
  return peer
}

/** Counts from the end of the warm-up and prints. */
const measure = () => setTimeout(() => {
  console.log('warm')
  const first = count
  const begun = process.hrtime.bigint()
  setTimeout(() => {
    const took = Number(process.hrtime.bigint() - begun) / 1e9
    console.log(JSON.stringify({ count: count - first, seconds: took }))
  }, Number(seconds) * 1000)
}, WARM_UP_MS)

/** Repeats an operation for ever, `window` of them at a time. */
const repeat = (window, operation) => {
  for (let i = 0; i < window; i++) {
    (async () => {
      for (;;) {
        await operation(i)
        count += 1
      }
    })()
  }
}

const workloads = {
  sequential: (peer) => repeat(1, () => peer.call('bench/echo', [42])),
  calls: (peer) => repeat(WINDOW, () => peer.call('bench/echo', [42])),
  sets: (peer) => repeat(WINDOW, () => peer.set('bench/state', count)),
  notifications: async (fetching) => {
    const owning = await connect()
    const states = {}
    const fetcher = new jet.Fetcher().path('startsWith', 'bench/tick/')
    fetcher.addListener('data', ({ path, event }) => {
      if (event === 'Change') count += 1
      states[path].value(count)
    })
    await fetching.fetch(fetcher)
    for (let i = 1; i <= WINDOW; i++) {
      const path = `bench/tick/${i}`
      states[path] = new jet.State(path, -1)
      owning.add(states[path])
    }
  },
  // Each add registers the listener of a State again, so each round uses a new State.
  add_remove: (peer) => repeat(WINDOW, async (i) => {
    const state = new jet.State(`bench/brief/${i}`, count)
    await peer.add(state)
    await peer.remove(state)
  })
}

const roles = {
  async daemon () {
    // Version 3 requires a WebSocket port.
    new jet.Daemon().listen({ tcpPort: Number(port), wsPort: Number(seconds) })
  },
  async owner () {
    const peer = await connect()
    await peer.add(new jet.State('bench/state', -1))
    await peer.add(new jet.Method('bench/echo'))
    console.log('ready')
  },
  async idle () {
    await connect()
    console.log('ready')
  },
  async client () {
    const peer = await connect()
    workloads[workload](peer)
    measure()
  }
}

await roles[role]()
