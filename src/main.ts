#!/usr/bin/env node
/** The executable: reads the command line, starts what it names, and leaves when it is told to. */

import { constants } from 'node:os'
import { startApp } from './app.js'
import { ConfigError, flagOf, readCommandLine, SETTINGS } from './config.js'
import { createLog } from './log.js'
import { version } from './version.js'

/** The environment or the command line is wrong. */
const EXIT_USAGE = 2
/** npm repeats a signal that the terminal has sent to the whole group already: a second one counts only after this. */
const REPEATED_SIGNAL_MS = 1_000
/** Besides HEDDLE_DRAIN_MS: what has not ended by then is left as a kill would leave it, for the next start. */
const LEAVE_MS = 4_000
/** A terminal that is closed tells it with SIGHUP. */
const LEAVE_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

function help(): string {
  const rows = SETTINGS.map((setting) => ({ flag: `--${flagOf(setting)}`, ...setting }))
  const width = (key: 'flag' | 'name') => Math.max(...rows.map((row) => row[key].length)) + 2
  const lines = rows.map(({ flag, name, meaning, fallback }) => {
    return `  ${flag.padEnd(width('flag'))}${name.padEnd(width('name'))}${meaning} (${fallback})`
  })
  return [
    'Usage: heddle [flags]',
    '',
    'Serves the GraphQL API at /graphql until SIGTERM or SIGINT.',
    'Each flag has an environment variable of the same meaning; the flag wins.',
    '',
    ...lines,
    `  ${'--help'.padEnd(width('flag'))}this text`,
    `  ${'--version'.padEnd(width('flag'))}the version`,
  ].join('\n')
}

/** At once, as if nobody had listened to the signal: who waits for the process sees what ended it. */
function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // The first process of a container is spared what it sends to itself.
  process.exit(128 + constants.signals[signal])
}

async function serve(config: Parameters<typeof startApp>[0]): Promise<void> {
  const log = createLog({ level: config.logLevel })
  const fatal = (error: unknown) => {
    log.fatal({ err: error }, 'the server cannot go on')
    process.exit(1)
  }
  process.on('uncaughtException', fatal)
  const starting = startApp(config, log)
  let leavingSinceMs: number | null = null
  const leave = (signal: NodeJS.Signals) => {
    const now = performance.now()
    if (leavingSinceMs !== null) {
      if (now - leavingSinceMs > REPEATED_SIGNAL_MS) dieOf(signal)
      return
    }
    leavingSinceMs = now
    log.info({ signal }, 'leaving: what is in service may end, the rest runs after the next start')
    // A thread that is in native code cannot be ended, and Node would wait for it with its own exit.
    setTimeout(() => {
      log.warn('left before all had ended: what was in service runs after the next start')
      dieOf(signal)
    }, config.drainMs + LEAVE_MS)
    // A server that cannot start says so by itself.
    const started = starting.catch(() => null)
    void started.then((app) => app?.close().then(() => process.exit(0), fatal))
  }
  for (const signal of LEAVE_SIGNALS) process.on(signal, leave)
  const app = await starting.catch((error: unknown) => {
    if (error instanceof ConfigError) throw error
    log.fatal({ err: error }, error instanceof Error ? error.message : 'the server could not start')
    process.exit(1)
  })
  if (leavingSinceMs !== null) return
  // Whatever the level of the log: with port 0 nobody could know the address otherwise.
  log.child({}, { level: 'info' }).info({ url: app.url, version }, `Heddle is listening on ${app.url}`)
}

try {
  const command = readCommandLine(process.argv.slice(2))
  if (command.name === 'help') console.log(help())
  else if (command.name === 'version') console.log(version)
  else await serve(command.config)
} catch (error) {
  if (!(error instanceof ConfigError)) throw error
  console.error(error.message)
  process.exit(EXIT_USAGE)
}
