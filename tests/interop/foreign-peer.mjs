// A node-jet peer as a process that reads commands from stdin: `node foreign-peer.mjs nj2`. Commands and
// responses are one JSON object per line; our_peer.lua understands the same commands. A command that its API
// does not support is answered with `na` and the reason.

import { createInterface } from 'node:readline'
import { load } from './foreign.mjs'

const kind = process.argv[2]
const isThird = kind === 'nj3'
const jet = await load(kind)
const elements = new Map()
const fetchers = new Map()
let peer

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')
const unable = (reason) => { throw Object.assign(new Error(reason), { na: reason }) }

/** Makes a state or method with the given behaviour. */
const element = ({ path, value, behaviour, access }) => {
  const isMethod = ['echo', 'done', 'fail', 'silent'].includes(behaviour)
  // Version 3 has one group for each action.
  const rights = access && isThird
    ? (isMethod ? [access.callGroups[0]] : [access.fetchGroups[0], access.setGroups[0]])
    : [access]
  const made = isMethod ? new jet.Method(path, ...rights) : new jet.State(path, value, ...rights)
  const on = (event, handler) => isThird ? made.addListener(event, handler) : made.on(event, handler)
  const refuse = () => { throw new Error('no thanks') }
  const cases = {
    any: () => on('set', (requested) => {}),
    adjust: () => isThird ? unable('its states cannot adjust a value') : on('set', (requested) => ({ value: requested * 2 })),
    refuse: () => on('set', (requested) => refuse()),
    readonly: () => isThird && unable('its states cannot be read-only'),
    echo: () => isThird ? unable('its methods cannot return anything') : on('call', (args) => ({ got: args })),
    done: () => on('call', (args) => {}),
    fail: () => on('call', (args) => refuse()),
    silent: () => isThird ? unable('its methods cannot answer later') : on('call', (args, reply) => {})
  }
  cases[behaviour]()
  return made
}

const path = (fetcher, rules) => {
  for (const [rule, operand] of Object.entries(rules ?? {})) {
    if (rule === 'caseInsensitive' && !isThird) fetcher.pathCaseInsensitive()
    else fetcher.path(rule, operand)
  }
}

const value = (fetcher, { value = {}, valueField = {} }) => {
  for (const [rule, operand] of Object.entries(value)) fetcher.value(rule, operand)
  for (const [field, rules] of Object.entries(valueField)) {
    for (const [rule, operand] of Object.entries(rules)) {
      if (isThird) fetcher.value(rule, operand, field)
      else fetcher.key(field, rule, operand)
    }
  }
}

const sort = (fetcher, wanted) => {
  if (isThird) unable('its peer does not understand sorted notifications')
  if (wanted.byPath) fetcher.sortByPath()
  if (wanted.byValue) fetcher.sortByValue(wanted.byValue)
  for (const [field, type] of Object.entries(wanted.byValueField ?? {})) fetcher.sortByKey(field, type)
  if (wanted.descending) fetcher.descending()
  fetcher.range(wanted.from, wanted.to)
}

const fetcherOf = ({ fetch, expression }) => {
  const fetcher = new jet.Fetcher()
  // Version 3 requires a path rule; this one matches everything.
  path(fetcher, expression.path ?? (isThird ? { startsWith: '' } : undefined))
  value(fetcher, expression)
  if (expression.sort) sort(fetcher, expression.sort)
  const take = (data) => Array.isArray(data)
    ? say({ fetch, sorted: data.map((entry) => [entry.path, entry.value]) })
    : say({ fetch, path: data.path, event: data.event.toLowerCase(), value: data.value, fetchOnly: data.fetchOnly })
  return isThird ? fetcher.addListener('data', take) : fetcher.on('data', take)
}

const commands = {
  async connect ({ ports, transport, user, password }) {
    const way = transport === 'ws' ? { url: `ws://127.0.0.1:${ports.ws}` } : { ip: '127.0.0.1', port: ports.tcp }
    peer = new jet.Peer({ ...way, ...(!isThird && user && { user, password }) })
    await peer.connect()
    if (isThird && user) await peer.authenticate(user, password)
    return { groups: peer.access }
  },
  async add (details) {
    const made = element(details)
    await peer.add(made)
    elements.set(details.path, made)
  },
  async change ({ path, value }) { await elements.get(path).value(value) },
  async remove ({ path }) { await peer.remove(elements.get(path)) },
  async set ({ path, value, options }) {
    if (isThird && options) unable('its set takes no options')
    return peer.set(path, value, options)
  },
  async call ({ path, args, options }) {
    if (isThird && options) unable('its call takes no options')
    return peer.call(path, args, options)
  },
  async fetch (details) {
    const fetcher = fetcherOf(details)
    fetchers.set(details.fetch, fetcher)
    await peer.fetch(fetcher)
  },
  async unfetch ({ fetch }) { await peer.unfetch(fetchers.get(fetch)) },
  async get ({ path }) {
    const found = await peer.get({ path: { equals: path } })
    return found.map((entry) => entry.value)
  }
}

const failure = (error) => typeof error === 'object' && error !== null
  ? { ...error, name: error.name, message: error.message, stack: undefined }
  : { message: String(error) }

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, command, ...details } = JSON.parse(line)
  try {
    say({ id, result: await commands[command](details) ?? null })
  } catch (error) {
    say(error?.na ? { id, na: error.na } : { id, error: failure(error) })
  }
}).on('close', () => process.exit(0))
// Version 3 leaves rejected promises without a handler; the failures are reported where they matter.
process.on('unhandledRejection', () => {})
