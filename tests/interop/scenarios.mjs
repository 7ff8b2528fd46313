// The operations of the interop tests. Each gets a `Column`: `owner` and `client` are two peers of the
// kind under test, `other` is a peer of another kind on the same daemon. It throws an error on failure, and
// `NotAvailable` if the foreign side does not support it.

import { isDeepStrictEqual } from 'node:util'
import { until } from './processes.mjs'
import { USERS } from './users.mjs'

export class NotAvailable extends Error {}

const show = (value) => JSON.stringify(value)

/** Returns the result of a response; throws if it is an error. */
const result = (what, answer) => {
  if (answer.na) throw new NotAvailable(answer.na)
  if (answer.error) throw new Error(`${what}: ${show(answer.error)}`)
  return answer.result
}

// The forms of each kind of error: the codes and data of the protocol, or the class that a peer makes of them.
const ERRORS = {
  notFound: /pathNotExists|NotFound/,
  occupied: /pathAlreadyExists|Occupied/,
  readOnly: /fetchOnly|FetchOnly|-32602/,
  refused: /no thanks/,
  timeout: /-32001|PeerTimeout/,
  invalidUser: /invalidUser|InvalidUser/,
  invalidPassword: /invalidPassword|InvalidPassword/,
  noAccess: /noAccess|Unauthorized/
}

const refusal = (what, answer, kind) => {
  if (answer.na) throw new NotAvailable(answer.na)
  if (!answer.error) throw new Error(`${what}: ${show(answer.result)} instead of an error`)
  if (!ERRORS[kind].test(show(answer.error))) throw new Error(`${what}: not ${kind}: ${show(answer.error)}`)
}

const equal = (what, got, expected) => {
  if (!isDeepStrictEqual(got, expected)) throw new Error(`${what}: ${show(got)} instead of ${show(expected)}`)
}

let fetches = 0

/** Adds an element; throws if that fails. */
const add = async (peer, path, value, behaviour = 'any', access = undefined) => {
  result(`add ${path}`, await peer.request('add', { path, value, behaviour, access }))
}

/** Starts a fetch. */
const fetch = async (peer, expression) => {
  const id = ++fetches
  result('fetch', await peer.request('fetch', { fetch: id, expression }))
  return { id, of: peer.fetched.get(id) }
}

/** Waits until everything that `owner` did has reached `client`: a round trip of each follows all earlier messages. */
const settle = async (...peers) => {
  for (const peer of peers) await peer.request('set', { path: 'no/such/path', value: 0 })
}

/** Returns what is fetched below `prefix`, without the prefix. */
const below = (fetched, prefix) => Object.fromEntries([...fetched.of.live]
  .filter(([path]) => path.startsWith(prefix))
  .map(([path, value]) => [path.slice(prefix.length), value])
  .sort(([a], [b]) => (a < b ? -1 : 1)))

const expectBelow = async (what, fetched, prefix, expected, peers) => {
  await settle(...peers)
  const sorted = Object.fromEntries(Object.entries(expected).sort(([a], [b]) => (a < b ? -1 : 1)))
  await until(() => isDeepStrictEqual(below(fetched, prefix), sorted), 1500)
  equal(what, below(fetched, prefix), sorted)
}

const PETS = { 'pets/cat': 1, 'pets/Dog': 2, 'pets/bird': 3, 'toys/cat': 4, 'toys/ball': 5 }

const withPets = async ({ owner, prefix }) => {
  for (const [name, value] of Object.entries(PETS)) await add(owner, prefix + name, value)
}

// The pets that each path rule matches. `$` stands for the column's prefix.
const PATH_RULES = {
  equals: ['$pets/cat', ['pets/cat']],
  equalsNot: ['$pets/cat', ['pets/Dog', 'pets/bird', 'toys/cat', 'toys/ball']],
  contains: ['ts/b', ['pets/bird']],
  containsNot: ['s/cat', ['pets/Dog', 'pets/bird', 'toys/ball']],
  startsWith: ['$pets/', ['pets/cat', 'pets/Dog', 'pets/bird']],
  startsNotWith: ['$pets/', ['toys/cat', 'toys/ball']],
  endsWith: ['/cat', ['pets/cat', 'toys/cat']],
  endsNotWith: ['/cat', ['pets/Dog', 'pets/bird', 'toys/ball']],
  containsAllOf: [['toys', 'cat'], ['toys/cat']],
  containsOneOf: [['Dog', 'ball'], ['pets/Dog', 'toys/ball']],
  equalsOneOf: [['$pets/cat', '$toys/ball'], ['pets/cat', 'toys/ball']],
  equalsNotOneOf: [['$pets/cat', '$toys/ball'], ['pets/Dog', 'pets/bird', 'toys/cat']]
}

const pick = (names) => Object.fromEntries(names.map((name) => [name, PETS[name]]))

const pathRule = (rule) => async (column) => {
  const { owner, client, prefix } = column
  const [operand, names] = PATH_RULES[rule]
  const fill = (text) => text.replace('$', prefix)
  await withPets(column)
  const path = { [rule]: Array.isArray(operand) ? operand.map(fill) : fill(operand) }
  const fetched = await fetch(client, { path })
  await expectBelow(rule, fetched, prefix, pick(names), [client])
  // Elements that are added later are matched by the same rule, and are removed again.
  const name = names[0]
  result('remove', await owner.request('remove', { path: prefix + name }))
  await expectBelow(`${rule} after a remove`, fetched, prefix, pick(names.slice(1)), [owner, client])
}

const caseInsensitive = async (column) => {
  const { client, prefix } = column
  await withPets(column)
  const fetched = await fetch(client, { path: { contains: 'dOG', caseInsensitive: true } })
  await expectBelow('caseInsensitive', fetched, prefix, pick(['pets/Dog']), [client])
}

const combined = async (column) => {
  const { client, prefix } = column
  await withPets(column)
  const fetched = await fetch(client, { path: { startsWith: prefix + 'pets', endsWith: 't', contains: 'ca' } })
  await expectBelow('combined rules', fetched, prefix, pick(['pets/cat']), [client])
}

// Values, a rule, and the names that it matches; `changes` makes elements start and stop matching.
const VALUE_RULES = {
  lessThan: { value: { lessThan: 3 }, found: ['one'], late: ['one', 'four'] },
  greaterThan: { value: { greaterThan: 3 }, found: ['four'], late: [] },
  equals: { value: { equals: 1 }, found: ['one'], late: ['one', 'four'] },
  equalsNot: { value: { equalsNot: 4 }, found: ['one', 'text'], late: ['one', 'four', 'text'] },
  isType: { value: { isType: 'string' }, found: ['text'], late: ['text'] }
}

const valueRule = (rule) => async (column) => {
  const { owner, client, prefix } = column
  const { value, found, late } = VALUE_RULES[rule]
  await add(owner, prefix + 'one', 1)
  await add(owner, prefix + 'four', 4)
  await add(owner, prefix + 'text', 'zzz')
  const fetched = await fetch(client, { path: { startsWith: prefix }, value })
  const values = { one: 1, four: 4, text: 'zzz' }
  const of = (names) => Object.fromEntries(names.map((name) => [name, values[name]]))
  await expectBelow(rule, fetched, prefix, of(found), [client])
  values.four = 1
  result('change', await owner.request('change', { path: prefix + 'four', value: 1 }))
  await expectBelow(`${rule} after a change`, fetched, prefix, of(late), [owner, client])
}

const valueField = async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'a', { age: 10, name: { first: 'Ann' } })
  await add(owner, prefix + 'b', { age: 20, name: { first: 'Bob' } })
  const old = await fetch(client, { path: { startsWith: prefix }, valueField: { age: { greaterThan: 15 } } })
  const deep = await fetch(client, { path: { startsWith: prefix }, valueField: { 'name.first': { equals: 'Ann' } } })
  await expectBelow('by field', old, prefix, { b: { age: 20, name: { first: 'Bob' } } }, [client])
  await expectBelow('by a field of a field', deep, prefix, { a: { age: 10, name: { first: 'Ann' } } }, [client])
}

const expectSorted = async (what, fetched, prefix, expected, peers) => {
  await settle(...peers)
  const paths = () => (fetched.of.sorted ?? []).map(([path]) => path.slice(prefix.length))
  await until(() => isDeepStrictEqual(paths(), expected), 1500)
  equal(what, paths(), expected)
}

const sorted = (sort, valueOf, order) => async ({ owner, client, prefix }) => {
  for (const [name, score] of [['a', 30], ['b', 10], ['c', 20], ['d', 40]]) await add(owner, prefix + name, valueOf(score))
  const fetched = await fetch(client, { path: { startsWith: prefix }, sort: { ...sort, from: 1, to: 3 } })
  await expectSorted('order', fetched, prefix, order[0], [client])
  result('change', await owner.request('change', { path: prefix + 'b', value: valueOf(50) }))
  await expectSorted('order after a change', fetched, prefix, order[1], [owner, client])
  result('remove', await owner.request('remove', { path: prefix + 'a' }))
  await expectSorted('order after a remove', fetched, prefix, order[2], [owner, client])
}

const live = async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'before', 1)
  const fetched = await fetch(client, { path: { startsWith: prefix } })
  await add(owner, prefix + 'later', { deep: [1, 'two', null, false] })
  await expectBelow('adds', fetched, prefix, { before: 1, later: { deep: [1, 'two', null, false] } }, [owner, client])
  result('change', await owner.request('change', { path: prefix + 'before', value: 'new' }))
  await expectBelow('a change', fetched, prefix, { before: 'new', later: { deep: [1, 'two', null, false] } }, [owner, client])
  result('remove', await owner.request('remove', { path: prefix + 'later' }))
  await expectBelow('a remove', fetched, prefix, { before: 'new' }, [owner, client])
  equal('events', fetched.of.events, ['add', 'add', 'change', 'remove'])
}

const unfetch = async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'a', 1)
  const fetched = await fetch(client, { path: { startsWith: prefix } })
  await expectBelow('before', fetched, prefix, { a: 1 }, [client])
  result('unfetch', await client.request('unfetch', { fetch: fetched.id }))
  result('change', await owner.request('change', { path: prefix + 'a', value: 2 }))
  await expectBelow('after', fetched, prefix, { a: 1 }, [owner, client])
}

const get = async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'a', 7)
  equal('get', result('get', await client.request('get', { path: prefix + 'a' })), [7])
}

const setBetween = async (owner, client, prefix) => {
  await add(owner, prefix + 'a', 1)
  const fetched = await fetch(client, { path: { startsWith: prefix } })
  result('set', await client.request('set', { path: prefix + 'a', value: { x: [2] } }))
  await expectBelow('the new value', fetched, prefix, { a: { x: [2] } }, [owner, client])
}

const adjusted = async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'a', 1, 'adjust')
  const fetched = await fetch(client, { path: { startsWith: prefix } })
  result('set', await client.request('set', { path: prefix + 'a', value: 21 }))
  await expectBelow('the adjusted value', fetched, prefix, { a: 42 }, [owner, client])
}

const valueAsResult = async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'a', 1, 'adjust')
  const answer = await client.request('set', { path: prefix + 'a', value: 4, options: { valueAsResult: true } })
  equal('result', result('set', answer), 8)
}

const callBetween = async (owner, client, prefix) => {
  await add(owner, prefix + 'm', undefined, 'echo')
  for (const args of [[1, 'two', { three: 3 }], { named: true }]) {
    equal('result', result('call', await client.request('call', { path: prefix + 'm', args })), { got: args })
  }
}

const failing = (behaviour, command, kind) => async ({ owner, client, prefix }) => {
  await add(owner, prefix + 'a', behaviour === 'fail' ? undefined : 1, behaviour)
  refusal(command, await client.request(command, { path: prefix + 'a', value: 2, args: [1] }), kind)
}

const disconnect = async (column) => {
  const { owner, client, prefix } = column
  await add(owner, prefix + 'a', 1)
  await add(owner, prefix + 'b', 2)
  const fetched = await fetch(client, { path: { startsWith: prefix } })
  await expectBelow('before', fetched, prefix, { a: 1, b: 2 }, [client])
  await column.replaceOwner()
  // The daemon of version 3 reports it only when something else happens.
  if (column.daemon.kind === 'nj3') await add(column.owner, prefix.replace('op', 'then'), 1)
  await expectBelow('after the owner is gone', fetched, prefix, {}, [client])
}

// Our daemon responds to the requester at once, long before the timeout; the others let it wait.
const AT_ONCE_MS = 2000

const unanswered = async (column) => {
  const { owner, client, prefix, daemon } = column
  await add(owner, prefix + 'm', undefined, 'silent')
  const isOurs = daemon.kind === 'jetd'
  const begun = Date.now()
  const pending = client.request('call', { path: prefix + 'm', args: [1], options: isOurs ? undefined : { timeout: 1 } })
  await settle(client)
  await column.replaceOwner()
  const answer = await pending
  if (!answer.error) throw new Error(`${show(answer.result)} instead of an error`)
  const took = Date.now() - begun
  if (isOurs && took > AT_ONCE_MS) throw new Error(`the error arrived after ${took} ms: ${show(answer.error)}`)
}

// The access for users that may fetch elements of the group `ops`, and for users that may set and call them.
const ACCESS = { fetchGroups: ['look'], setGroups: ['ops'], callGroups: ['ops'] }

/** A peer that is logged in. */
const visitor = async (column, user) => {
  const { peer, answer } = await column.visit(user, USERS[user].password)
  return { peer, told: result(`login as ${user}`, answer) }
}

const login = async (column) => {
  const { told } = await visitor(column, 'ann')
  // The daemon of version 3 does not say.
  if (column.daemon.kind === 'nj3') return
  if (told.groups) equal('groups', told.groups, USERS.ann.auth)
  if (told.authentication) equal('authentication', told.authentication, 'accepted')
}

const badLogin = (user, password, kind) => async (column) => {
  const { answer } = await column.visit(user, password)
  // The daemon of version 3 does not say which of the two it is.
  refusal('login', answer, column.daemon.kind === 'nj3' ? 'invalidPassword' : kind)
}

const hidden = async (column) => {
  const { owner, client, prefix, daemon } = column
  if (daemon.kind === 'nj3') throw new NotAvailable('its daemon shows every state to every fetcher')
  const { peer: ann } = await visitor(column, 'ann')
  const seen = await fetch(ann, { path: { startsWith: prefix } })
  const unseen = await fetch(client, { path: { startsWith: prefix } })
  await add(owner, prefix + 'public', 1)
  await add(owner, prefix + 'secret', 2, 'any', ACCESS)
  await expectBelow('with the right group', seen, prefix, { public: 1, secret: 2 }, [owner, ann])
  await expectBelow('without login', unseen, prefix, { public: 1 }, [owner, client])
  const { peer: late } = await visitor(column, 'bob')
  await expectBelow('later', await fetch(late, { path: { startsWith: prefix } }), prefix, { public: 1, secret: 2 }, [late])
}

const guarded = (command, value, behaviour) => async (column) => {
  const { owner, client, prefix } = column
  const path = prefix + 'guarded'
  await add(owner, path, value, behaviour, ACCESS)
  const { peer: ann } = await visitor(column, 'ann')
  const { peer: bob } = await visitor(column, 'bob')
  result(`${command} by ann`, await ann.request(command, { path, value: 2, args: [1] }))
  for (const peer of [bob, client]) {
    refusal(command, await peer.request(command, { path, value: 3, args: [1] }), 'noAccess')
  }
}

const fetchOnlyFlag = async (column) => {
  const { owner, prefix, peerKind } = column
  if (!peerKind.startsWith('nj')) throw new NotAvailable('our peer does not show the flag')
  await add(owner, prefix + 'a', 1, 'any', ACCESS)
  for (const [user, expected] of [['ann', false], ['bob', true]]) {
    const { peer } = await visitor(column, user)
    const fetched = await fetch(peer, { path: { startsWith: prefix } })
    await expectBelow('fetched', fetched, prefix, { a: 1 }, [peer])
    equal(`fetchOnly for ${user}`, fetched.of.readOnly, [expected])
  }
}

/** All operations: the name in the table, and the function. */
export const OPERATIONS = {
  'add, change, remove': live,
  ...Object.fromEntries(Object.keys(PATH_RULES).map((rule) => [`path ${rule}`, pathRule(rule)])),
  'path caseInsensitive': caseInsensitive,
  'path rules combined': combined,
  ...Object.fromEntries(Object.keys(VALUE_RULES).map((rule) => [`value ${rule}`, valueRule(rule)])),
  valueField,
  'sorted by path': sorted({ byPath: true, descending: true }, (n) => n, [['d', 'c', 'b'], ['d', 'c', 'b'], ['d', 'c', 'b']]),
  'sorted by value': sorted({ byValue: 'number' }, (n) => n, [['b', 'c', 'a'], ['c', 'a', 'd'], ['c', 'd', 'b']]),
  'sorted by field': sorted({ byValueField: { score: 'number' }, descending: true }, (n) => ({ score: n }),
    [['d', 'a', 'c'], ['b', 'd', 'a'], ['b', 'd', 'c']]),
  unfetch,
  get,
  set: ({ owner, client, prefix }) => setBetween(owner, client, prefix),
  'set, adjusted': adjusted,
  'set, value as result': valueAsResult,
  call: ({ owner, client, prefix }) => callBetween(owner, client, prefix),
  "another's state": ({ other, client, prefix }) => setBetween(other, client, prefix),
  'another sets': ({ owner, other, prefix }) => setBetween(owner, other, prefix),
  "another's method": ({ other, client, prefix }) => callBetween(other, client, prefix),
  'another calls': ({ owner, other, prefix }) => callBetween(owner, other, prefix),
  'error: no such path': async ({ client, prefix }) => {
    refusal('set', await client.request('set', { path: prefix + 'none', value: 1 }), 'notFound')
    refusal('call', await client.request('call', { path: prefix + 'none', args: [1] }), 'notFound')
  },
  'error: path taken': async ({ owner, client, prefix }) => {
    await add(owner, prefix + 'a', 1)
    refusal('add', await client.request('add', { path: prefix + 'a', value: 2, behaviour: 'any' }), 'occupied')
  },
  'error: read-only': failing('readonly', 'set', 'readOnly'),
  'error: set refused': failing('refuse', 'set', 'refused'),
  'error: method raises': failing('fail', 'call', 'refused'),
  'error: no answer in time': async ({ owner, client, prefix }) => {
    await add(owner, prefix + 'm', undefined, 'silent')
    refusal('call', await client.request('call', { path: prefix + 'm', args: [1], options: { timeout: 0.2 } }), 'timeout')
  },
  login,
  'error: wrong password': badLogin('ann', 'mellon', 'invalidPassword'),
  'error: unknown user': badLogin('eve', 'sesame', 'invalidUser'),
  'access: hidden from others': hidden,
  'access: set': guarded('set', 1, 'any'),
  'access: call': guarded('call', undefined, 'done'),
  'access: fetchOnly': fetchOnlyFlag,
  'disconnect of the owner': disconnect,
  'disconnect before the answer': unanswered
}
