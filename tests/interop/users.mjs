// Who may log in at the daemons of the interop tests, and how each kind of daemon is given them.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Ann may do everything with what is for the group `ops`, Bob may look at it. */
export const USERS = {
  ann: { password: 'sesame', auth: { fetchGroups: ['look', 'ops'], setGroups: ['ops'], callGroups: ['ops'] } },
  bob: { password: 'mellon', auth: { fetchGroups: ['look'], setGroups: [], callGroups: [] } }
}

/** The users file for our daemon, made by its own program. It is gone when this process ends. */
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

/** Gives users to a node-jet 3 daemon, which has groups for reading and writing alike. It keeps the last member of a group only. */
export const addUsers = (daemon, admin) => {
  for (const [name, { password, auth }] of Object.entries(USERS).reverse()) {
    daemon.authenticator.addUser(admin, name, password, [...auth.fetchGroups, ...auth.setGroups])
  }
}
