// `make bench`: runs all contestants in turn, round after round, and prints medians and ratios. Contestants are
// our peer on LuaJIT and Lua 5.4 with jetd, node-jet 3.0.17's peer with its daemon, and for the round trip a
// bare relay. All have the same arrangement: daemon, owner and client are a process each; for the
// notifications one process has both connections. The workloads are in worker.lua, worker.mjs and relay.rs.

import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { cpus, loadavg } from 'node:os'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const ROUNDS = Number(process.argv[2] ?? 5)
const SECONDS = 1
const START_MS = 10000
// From this load average on, the figures are not reliable.
const BUSY = 1

// Targets: a round trip takes at most this many times as long as the relay's, the other rates are at least this many
// times node-jet's.
const MARKS = { sequential: 2, calls: 5, sets: 5, notifications: 7 }
const TITLES = {
  sequential: 'call, one after the other',
  calls: 'calls, 100 outstanding',
  sets: 'sets, 100 outstanding',
  notifications: 'change to fetch, 100 outstanding',
  add_remove: 'add + remove, 100 outstanding'
}
const WORKLOADS = Object.keys(TITLES).filter((name) => process.argv.length < 4 || process.argv.includes(name))

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))

const lua = (name) => (role, ...args) => ({
  command: name,
  args: ['bench/worker.lua', role, ...args],
  env: { LUA_PATH: `${root}build/${name}/?.lua;;`, LUA_CPATH: `${root}build/${name}/?.so;;` }
})
const node = (role, ...args) => ({ command: 'node', args: ['bench/worker.mjs', role, ...args] })
const relay = (role, ...args) => ({ command: 'target/release/examples/relay', args: [role, ...args] })
const jetd = (port) => ({ command: 'build/bin/jetd', args: ['-p', port] })

const CONTESTANTS = {
  relay: { daemon: (port) => relay('relay', port), peer: relay, workloads: WORKLOADS.filter((name) => name === 'sequential') },
  luajit: { daemon: jetd, peer: lua('luajit'), workloads: WORKLOADS },
  'lua5.4': { daemon: jetd, peer: lua('lua5.4'), workloads: WORKLOADS },
  'node-jet': { daemon: (port, wsPort) => node('daemon', port, wsPort), peer: node, workloads: WORKLOADS }
}

const start = ({ command, args, env }) => {
  const child = spawn(command, args.map(String), { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let errors = ''
  child.stderr.on('data', (data) => { errors = (errors + data).slice(-2000) })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const gone = new Promise((resolve) => child.on('close', () => { running.delete(child); resolve() }))
  return {
    pid: child.pid,
    /** The next line of its output; throws if there is none. */
    line: async () => {
      const { value, done } = await lines.next()
      if (done) throw new Error(`${command} ${args.join(' ')}: ${errors || 'ended'}`)
      return value
    },
    stop: async () => { child.kill('SIGKILL'); await gone }
  }
}

/** The processor time that all threads of these processes have had. */
const cpuSeconds = (processes) => {
  let nanoseconds = 0
  for (const { pid } of processes) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    }
  }
  return nanoseconds / 1e9
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

const accepts = (port) => new Promise((resolve) => {
  const socket = connect(port, '127.0.0.1')
  socket.on('connect', () => { socket.destroy(); resolve(true) })
  socket.on('error', () => resolve(false))
})

const listening = async (port) => {
  const deadline = Date.now() + START_MS
  while (!(await accepts(port))) {
    if (Date.now() > deadline) throw new Error(`nobody listens on port ${port}`)
    await pause(20)
  }
}

/** Starts a contestant's daemon and owner, runs all its workloads, and adds the results. */
const round = async (name, { daemon, peer, workloads }, { results, costs }) => {
  for (const workload of workloads) {
    const port = await freePort()
    const processes = [start(daemon(port, await freePort()))]
    try {
      if (name === 'relay') {
        // The relay takes the first connection for the owner, so no connection can test whether it listens.
        await pause(200)
        processes.push(start(peer('owner', port)))
        await pause(200)
      } else {
        await listening(port)
        processes.push(start(peer('owner', port)))
        await processes[1].line()
      }
      const client = start(peer('client', port, SECONDS, workload))
      processes.push(client)
      await client.line()
      const before = cpuSeconds(processes)
      const { count, seconds } = JSON.parse(await client.line())
      const cpu = cpuSeconds(processes) - before
      results[workload][name].push(count / seconds)
      costs[workload][name].push(cpu / count)
    } finally {
      for (const one of processes) await one.stop()
    }
  }
}

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The spread of the rounds around their median, in per cent. */
const spread = (numbers) => Math.round(100 * (Math.max(...numbers) - Math.min(...numbers)) / median(numbers) / 2)

const MIB = 1024 * 1024

/** Resident memory of a process and what of it is its own, in MiB. */
const memory = (pid) => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const field = (name) => Number(text.match(new RegExp(`^${name}: +(\\d+) kB`, 'm'))[1]) / 1024
  return { rss: field('Rss'), pss: field('Pss') }
}

/** Memory of idle processes, each after a moment's rest. */
const idleMemory = async () => {
  const rows = []
  const add = (title, { pid }) => rows.push([title, memory(pid)])
  for (const [name, { daemon, peer }] of Object.entries(CONTESTANTS)) {
    if (name === 'relay') continue
    const port = await freePort()
    const serving = start(daemon(port, await freePort()))
    await listening(port)
    await pause(300)
    if (name !== 'lua5.4') add(`idle daemon: ${name === 'node-jet' ? name : 'jetd'}`, serving)
    const idle = start(peer('idle', port))
    await idle.line()
    await pause(300)
    add(`idle peer: ${name}`, idle)
    await idle.stop()
    await serving.stop()
  }
  return rows
}

const table = (rows) => {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)))
  const line = (row) => '| ' + row.map((cell, i) => i ? cell.padStart(widths[i]) : cell.padEnd(widths[i])).join(' | ') + ' |'
  console.log([line(rows[0]), '|' + widths.map((width, i) => '-'.repeat(width + 1) + (i ? ':' : '-')).join('|') + '|', ...rows.slice(1).map(line)].join('\n'))
}

const rate = (numbers) => `${Math.round(median(numbers)).toLocaleString('en-US')}/s ±${spread(numbers)} %`
const micros = (numbers) => `${(1e6 / median(numbers)).toFixed(1)} µs ±${spread(numbers)} %`
const ours = ['luajit', 'lua5.4']

const reportTrip = (trip) => {
  console.log(`\nRound trip of a call, one after the other (median of ${ROUNDS} rounds; mark: at most ${MARKS.sequential} x relay)\n`)
  table([['', 'time', 'x relay', 'mark'], ...Object.keys(trip).map((name) => {
    const ratio = median(trip.relay) / median(trip[name])
    return [name, micros(trip[name]), ratio.toFixed(2), ours.includes(name) ? (ratio <= MARKS.sequential ? 'met' : 'missed') : '']
  })])
}

const report = ({ results, costs }) => {
  if (results.sequential) reportTrip(results.sequential)
  console.log(`\nThroughput (median of ${ROUNDS} rounds; x node-jet 3.0.17)\n`)
  table([['', ...ours.flatMap((name) => [name, 'x', 'mark']), 'node-jet'], ...WORKLOADS.map((workload) => [
    TITLES[workload],
    ...ours.flatMap((name) => {
      const ratio = median(results[workload][name]) / median(results[workload]['node-jet'])
      const mark = workload === 'sequential' ? undefined : MARKS[workload]
      return [rate(results[workload][name]), ratio.toFixed(1), mark ? `${mark}: ${ratio >= mark ? 'met' : 'missed'}` : '']
    }),
    rate(results[workload]['node-jet'])
  ])])
  console.log('\nProcessor time of one operation in all processes together, µs; it depends little on what else runs\n')
  table([['', ...Object.keys(CONTESTANTS)], ...WORKLOADS.map((workload) => [
    TITLES[workload],
    ...Object.keys(CONTESTANTS).map((name) => {
      const cost = costs[workload][name]
      return cost ? (1e6 * median(cost)).toFixed(1) : ''
    })
  ])])
}

/** An empty list for each workload of each contestant. */
const lists = () => Object.fromEntries(WORKLOADS.map((workload) => [workload, Object.fromEntries(
  Object.keys(CONTESTANTS).filter((name) => CONTESTANTS[name].workloads.includes(workload)).map((name) => [name, []]))]))

const outcome = { results: lists(), costs: lists() }
console.log(`${cpus().length} x ${cpus()[0].model.trim()}, Node ${process.versions.node}, ${ROUNDS} rounds`)
if (loadavg()[0] > BUSY) console.log(`Something else is running here (load ${loadavg()[0].toFixed(1)}): times mean little.`)
for (let i = 1; i <= ROUNDS; i++) {
  process.stderr.write(`round ${i} of ${ROUNDS}\n`)
  for (const [name, contestant] of Object.entries(CONTESTANTS)) await round(name, contestant, outcome)
}
report(outcome)
console.log('\nMemory, MiB\n')
table([['', 'RSS', 'PSS'], ...(await idleMemory()).map(([title, { rss, pss }]) => [title, rss.toFixed(1), pss.toFixed(1)])])
console.log('')
for (const name of ours) {
  const file = `build/${name}/jet/core.so`
  if (existsSync(root + file)) console.log(`${file}: ${(statSync(root + file).size / MIB).toFixed(2)} MiB`)
}
