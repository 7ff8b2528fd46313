// Runs the fetch suites of node-jet 1 and 2 with `jetd` in place of their daemons. They use the ports 4346 to 4348.

import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const shim = fileURLToPath(new URL('daemon-shim.cjs', import.meta.url))

const mocha = (() => {
  try {
    return join(dirname(require.resolve('mocha/package.json')), 'bin', 'mocha')
  } catch {
    console.log('skipped: node-jet\'s own suites, as mocha is not installed (scripts/setup test)')
    process.exit(0)
  }
})()

let failed = 0
for (const kind of ['nj1', 'nj2']) {
  const main = require.resolve(kind)
  const suite = join(dirname(require.resolve(`${kind}/package.json`)), 'test', 'fetch-test.js')
  const args = [mocha, '--no-config', '--exit', '--reporter', 'dot', '--retries', '2', '--require', shim, suite]
  console.log(`${kind}: test/fetch-test.js with jetd`)
  // With TRAVIS set they wait longer, which busy machines need.
  const env = { ...process.env, NODE_JET: main, TRAVIS: '1' }
  const { status } = spawnSync('node', args, { stdio: 'inherit', env })
  if (status !== 0) failed++
}
process.exit(failed === 0 ? 0 : 1)
