// Child processes of the interop tests: daemons of every kind, and peers that receive commands over a
// pipe. The commands are in scenarios.mjs.

import { spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { usersFile } from './users.mjs'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const root = here('../../')

// A peer that has not answered after this time has failed; longer than the timeout of any daemon.
const ANSWER_MS = 8000
const START_MS = 10000
// Lines of stderr to keep for a report.
const KEPT_LINES = 20

/** Returns a free port. */
export const freePort = () => new Promise((resolve, reject) => {
  const server = createServer()
  server.on('error', reject)
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

/** Starts a process that ends with this one; `errors` collects the end of its stderr. */
const start = (command, args, env = {}) => {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  const errors = []
  createInterface({ input: child.stderr }).on('line', (line) => {
    errors.push(line)
    if (errors.length > KEPT_LINES) errors.shift()
  })
  child.on('error', (error) => errors.push(String(error)))
  child.stdin.on('error', () => {})
  const gone = new Promise((resolve) => child.on('close', resolve))
  return { child, errors, gone }
}

const accepts = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1')
  socket.on('connect', () => { socket.destroy(); resolve(true) })
  socket.on('error', () => resolve(false))
})

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

let file

/** Starts a daemon: `jetd` is ours, `nj1` to `nj3` are node-jet's. Resolves when it can be reached. */
export const startDaemon = async (kind) => {
  const ports = { tcp: await freePort(), ws: await freePort() }
  const process = kind === 'jetd'
    ? start(globalThis.process.env.JETD, ['-p', `${ports.tcp}`, '-w', `${ports.ws}`, '--users', file ??= usersFile(globalThis.process.env.JETD)])
    : start('node', [here('foreign-daemon.mjs'), kind, `${ports.tcp}`, `${ports.ws}`])
  process.child.stdout.resume()
  const deadline = Date.now() + START_MS
  while (!(await accepts(ports.tcp) && await accepts(ports.ws))) {
    if (Date.now() > deadline || process.child.exitCode !== null) {
      process.child.kill('SIGKILL')
      throw new Error(`${kind} does not listen: ${process.errors.join('\n')}`)
    }
    await pause(20)
  }
  return {
    kind,
    ports,
    isAlive: () => process.child.exitCode === null,
    stop: async () => {
      process.child.kill('SIGKILL')
      await process.gone
    }
  }
}

/** The events of a fetch so far. */
class Fetched {
  constructor () {
    this.live = new Map()
    this.events = []
    this.readOnly = []
    this.sorted = null
  }

  take ({ path, event, value, sorted, fetchOnly }) {
    if (sorted) {
      this.sorted = sorted
      return
    }
    this.events.push(event)
    this.readOnly.push(fetchOnly === true)
    if (event === 'remove') this.live.delete(path)
    else this.live.set(path, value)
  }
}

/** A peer in a separate process. `request` resolves with its response `{result}`, `{error}` or `{na}`. */
export class RemotePeer {
  constructor (kind) {
    this.kind = kind
    this.fetched = new Map()
    this.waiting = new Map()
    this.lastId = 0
    const args = kind.startsWith('nj')
      ? ['node', [here('foreign-peer.mjs'), kind]]
      : [kind, [here('our_peer.lua')], {
          LUA_PATH: `${root}build/${kind}/?.lua;;`,
          LUA_CPATH: `${root}build/${kind}/?.so;;`
        }]
    this.process = start(...args)
    createInterface({ input: this.process.child.stdout }).on('line', (line) => this.#line(line))
    this.process.gone.then(() => this.#gone())
  }

  #line (line) {
    const message = JSON.parse(line)
    if (message.fetch !== undefined) {
      this.fetched.get(message.fetch)?.take(message)
      return
    }
    this.waiting.get(message.id)?.(message)
    this.waiting.delete(message.id)
  }

  #gone () {
    for (const settle of this.waiting.values()) settle({ error: { message: 'process ended: ' + this.process.errors.join('\n') } })
    this.waiting.clear()
    this.ended = true
  }

  request (command, details = {}) {
    const id = ++this.lastId
    if (command === 'fetch') this.fetched.set(details.fetch, new Fetched())
    return new Promise((resolve) => {
      if (this.ended) return resolve({ error: { message: 'process ended' } })
      const timer = setTimeout(() => {
        this.waiting.delete(id)
        resolve({ error: { message: `no answer to ${command} within ${ANSWER_MS} ms` } })
      }, ANSWER_MS)
      this.waiting.set(id, (answer) => { clearTimeout(timer); resolve(answer) })
      this.process.child.stdin.write(JSON.stringify({ id, command, ...details }) + '\n')
    })
  }

  async kill () {
    this.process.child.kill('SIGKILL')
    await this.process.gone
  }
}

/** Resolves with true as soon as `condition()` holds, with false if it does not for `milliseconds`. */
export const until = async (condition, milliseconds = 3000) => {
  const deadline = Date.now() + milliseconds
  while (!condition()) {
    if (Date.now() > deadline) return false
    await pause(5)
  }
  return true
}
