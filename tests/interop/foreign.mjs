// Loads one of the node-jet versions that package.json names: `nj1`, `nj2`, `nj3`.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The module, with what version 3 expects of a browser or a newer Node. */
export const load = async (kind) => {
  if (kind !== 'nj3') return require(kind)
  globalThis.CloseEvent ??= class CloseEvent extends Event {}
  // The one it brings along itself.
  globalThis.WebSocket ??= createRequire(import.meta.resolve('nj3'))('ws')
  return import('nj3')
}
