// For mocha's --require: replaces the daemon of the node-jet version in NODE_JET by `jetd`.

const { spawn, spawnSync } = require('node:child_process')

const WAIT = 'for i in $(seq 2000); do (exec 3<>/dev/tcp/127.0.0.1/$0) 2>/dev/null && exit 0; sleep 0.01; done; exit 1'

class Daemon {
  constructor (options = {}) {
    this.isSimple = options.features?.fetch === 'simple'
  }

  /** Returns once peers can connect, because the daemon that it replaces listens at once. */
  listen ({ tcpPort, wsPort }) {
    const args = [['-p', tcpPort ?? 0], ['-w', wsPort]].filter(([, port]) => port !== undefined).flat().map(String)
    if (this.isSimple) args.push('--simple-fetch')
    this.process = spawn(process.env.JETD, args, { stdio: 'ignore' })
    process.on('exit', () => this.close())
    if (spawnSync('bash', ['-c', WAIT, String(wsPort ?? tcpPort)]).status !== 0) throw new Error('jetd does not listen')
  }

  close () {
    this.process?.kill('SIGKILL')
  }
}

require(process.env.NODE_JET).Daemon = Daemon
