// The interop matrix: daemon x peer x operation. Prints a table for each transport, why some cells are `n/a`
// (the foreign side cannot do it), the failures, and a closing count. Exits with 1 if anything failed.

import { RemotePeer, startDaemon } from './processes.mjs'
import { NotAvailable, OPERATIONS } from './scenarios.mjs'

const LUAS = process.env.LUAS.split(' ')
const FOREIGN = ['nj1', 'nj2', 'nj3']
const OPERATION_WIDTH = Math.max(...Object.keys(OPERATIONS).map((name) => name.length))

/** All pairs with our daemon or our peer. `--all` adds the others, which show whether the tests are correct. */
const pairs = (isAll) => [
  ...LUAS.map((lua) => ['jetd', lua]),
  ...FOREIGN.map((kind) => ['jetd', kind]),
  ...FOREIGN.flatMap((daemon) => LUAS.map((lua) => [daemon, lua])),
  ...(isAll ? FOREIGN.flatMap((daemon) => FOREIGN.map((peer) => [daemon, peer])) : [])
]

/** Returns a kind of peer, other than the one under test, that this daemon can serve. */
const otherKind = (daemon, peer) => {
  if (peer.startsWith('nj')) return LUAS[0]
  return daemon === 'jetd' ? 'nj2' : daemon
}

/** One daemon, and two peers of one kind on it. */
class Column {
  constructor (daemonKind, peerKind, transport) {
    Object.assign(this, { daemonKind, peerKind, transport, lastOperation: 0 })
  }

  async start () {
    this.daemon = await startDaemon(this.daemonKind)
    this.owner = await this.connect(this.peerKind)
    this.client = await this.connect(this.peerKind)
    this.other = await this.connect(otherKind(this.daemonKind, this.peerKind))
    this.guests = []
  }

  async connect (kind) {
    const { peer, answer } = await this.tryToConnect(kind)
    if (answer.error) {
      await peer.kill()
      throw new Error(`${kind} cannot connect: ${JSON.stringify(answer.error)}`)
    }
    return peer
  }

  async tryToConnect (kind, login) {
    const peer = new RemotePeer(kind)
    const answer = await peer.request('connect', { ports: this.daemon.ports, transport: this.transport, ...login })
    return { peer, answer }
  }

  /** Starts another peer, which logs in and ends with the operation. Returns it and the response to its login. */
  async visit (user, password) {
    const { peer, answer } = await this.tryToConnect(this.peerKind, { user, password })
    this.guests.push(peer)
    return { peer, answer }
  }

  async dismissGuests () {
    for (const peer of this.guests ?? []) await peer.kill()
    this.guests = []
  }

  /** Kills the owner and starts a new one. */
  async replaceOwner () {
    await this.owner.kill()
    this.owner = await this.connect(this.peerKind)
  }

  async stop () {
    await this.dismissGuests()
    for (const peer of [this.owner, this.client, this.other]) await peer?.kill()
    await this.daemon?.stop()
  }

  async run (operation) {
    try {
      if (!this.daemon) await this.start()
      this.prefix = `op${++this.lastOperation}/`
      await OPERATIONS[operation](this)
      await this.dismissGuests()
      return { ok: true }
    } catch (error) {
      if (error instanceof NotAvailable) {
        await this.dismissGuests()
        return { na: error.message }
      }
      // The state after a failure is unknown: the next operation gets new processes.
      await this.stop()
      this.daemon = this.owner = this.client = this.other = undefined
      return { failed: error.message }
    }
  }
}

const runColumn = async (daemon, peer, transport) => {
  const column = new Column(daemon, peer, transport)
  const cells = {}
  try {
    for (const operation of Object.keys(OPERATIONS)) cells[operation] = await column.run(operation)
  } finally {
    await column.stop()
  }
  return { title: `${daemon}/${peer}`, cells }
}

/** Prints a table and collects the numbered reasons in `notes`. */
const print = (transport, columns, notes) => {
  const width = Math.max(...columns.map(({ title }) => title.length), 4)
  console.log(`\n${transport}: daemon/peer`)
  console.log(''.padEnd(OPERATION_WIDTH), ...columns.map(({ title }) => title.padEnd(width)))
  for (const operation of Object.keys(OPERATIONS)) {
    const cells = columns.map(({ cells }) => {
      const { ok, na } = cells[operation]
      if (ok) return 'ok'
      if (!na) return 'FAIL'
      if (!notes.includes(na)) notes.push(na)
      return `n/a ${notes.indexOf(na) + 1}`
    })
    console.log(operation.padEnd(OPERATION_WIDTH), ...cells.map((cell) => cell.padEnd(width)))
  }
}

const words = process.argv.slice(2)
const isAll = words.includes('--all')
const filters = words.filter((word) => !word.startsWith('--'))
const wanted = (title) => filters.length === 0 || filters.some((filter) => title.includes(filter))

const notes = []
const failures = []
const count = { ok: 0, failed: 0, skipped: 0 }
for (const transport of ['tcp', 'ws']) {
  const jobs = pairs(isAll).filter(([daemon, peer]) => wanted(`${transport} ${daemon}/${peer}`))
  if (jobs.length === 0) continue
  const columns = []
  for (const [daemon, peer] of jobs) columns.push(await runColumn(daemon, peer, transport))
  print(transport, columns, notes)
  for (const { title, cells } of columns) {
    for (const [operation, { ok, failed }] of Object.entries(cells)) {
      count[ok ? 'ok' : failed ? 'failed' : 'skipped'] += 1
      if (failed) failures.push(`${transport} ${title}, ${operation}: ${failed}`)
    }
  }
}
if (notes.length > 0) console.log('\n' + notes.map((note, index) => `${index + 1} ${note}`).join('\n'))
if (failures.length > 0) console.log(`\n${failures.join('\n')}`)
console.log(`\n${count.ok} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exitCode = count.failed > 0 || count.ok === 0 ? 1 : 0
