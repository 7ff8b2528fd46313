// Loads one of the node-jet versions that package.json names: `nj1`, `nj2`, `nj3`.

import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** Loads the module, with the globals that version 3 expects from a browser or a newer Node. */
export const load = async (kind) => {
  if (kind !== 'nj3') return require(kind)
  globalThis.CloseEvent ??= class CloseEvent extends Event {}
  // The package that it depends on.
  globalThis.WebSocket ??= createRequire(import.meta.resolve('nj3'))('ws')
  return import('nj3')
}
