// The users of the interop tests, and how each kind of daemon receives them.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Ann may fetch, set and call the elements of the group `ops`, Bob may only fetch them. */
export const USERS = {
  ann: { password: 'sesame', auth: { fetchGroups: ['look', 'ops'], setGroups: ['ops'], callGroups: ['ops'] } },
  bob: { password: 'mellon', auth: { fetchGroups: ['look'], setGroups: [], callGroups: [] } }
}

/** Makes the users file for our daemon with `jetd passwd`. It is deleted when this process ends. */
export const usersFile = (jetd) => {
  const directory = mkdtempSync(join(tmpdir(), 'jet-interop-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'users.json')
  for (const [name, { password, auth }] of Object.entries(USERS)) {
    const groups = [
      '--fetch-groups', auth.fetchGroups.join(','),
      '--set-groups', auth.setGroups.join(','),
      '--call-groups', auth.callGroups.join(',')
    ]
    execFileSync(jetd, ['passwd', file, name, ...groups], { input: password + '\n', stdio: ['pipe', 'ignore', 'inherit'] })
  }
  return file
}

/** Adds users to a node-jet 3 daemon, whose groups apply to reading and writing. It keeps only the last member of a group. */
export const addUsers = (daemon, admin) => {
  for (const [name, { password, auth }] of Object.entries(USERS).reverse()) {
    daemon.authenticator.addUser(admin, name, password, [...auth.fetchGroups, ...auth.setGroups])
  }
}
