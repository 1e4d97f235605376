/** The only reader of the environment: every setting with its default, checked at start, all problems at once. */

import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type AccessToken, parseTokens } from './domain/access.js'
import { invalidDestinations, parseAddress } from './domain/destinations.js'
import type { LogLevel } from './log.js'

export interface Config {
  readonly host: string
  /** 0 takes a free port. */
  readonly port: number
  readonly dataDir: string
  /** `file:` and a path. */
  readonly databaseUrl: string
  readonly functionsDir: string | null
  /** Destinations that fetches may reach though they are not public: names, addresses, CIDR ranges. */
  readonly allowHosts: readonly string[]
  /** Empty: no token is asked for, and only loopback listened on. */
  readonly tokens: readonly AccessToken[]
  /** Web origins that may call the API besides the server's own. */
  readonly origins: readonly string[]
  readonly introspection: boolean
  /** Requests a minute of a token; null for no limit. */
  readonly rateLimit: number | null
  /** Compute lanes of a run that does not ask for a number. */
  readonly lanes: number
  /** What a launch may ask for, and what all runs hold together. */
  readonly maxLanes: number
  readonly laneMemoryMb: number
  /** Fetches in flight at most, over all runs. */
  readonly maxInFlight: number
  /** Fetches in flight to one host at most, over all runs; the owner's own hosts, those of allowHosts, have no such limit. */
  readonly hostConcurrency: number
  readonly maxInlineItems: number
  readonly maxItems: number
  /** Of an uploaded file. */
  readonly maxFileBytes: number
  readonly maxOutputBytes: number
  readonly maxQueuedTasks: number
  /** How long ended runs are kept; 0: for ever. */
  readonly retentionDays: number
  /** What tasks in flight get to end after SIGTERM. */
  readonly drainMs: number
  readonly logLevel: LogLevel
}

/** One setting, as `--help` and the README list it. */
export interface Setting {
  name: string
  fallback: string
  meaning: string
}

export const SETTINGS: readonly Setting[] = [
  {
    name: 'HOST',
    fallback: '127.0.0.1',
    meaning: 'the address to listen on; without tokens loopback only',
  },
  { name: 'PORT', fallback: '4000', meaning: 'the port to listen on; 0 takes a free one' },
  {
    name: 'HEDDLE_DATA_DIR',
    fallback: './data',
    meaning: 'the folder of the database, of uploaded files and of stored bodies',
  },
  { name: 'DATABASE_URL', fallback: 'file:$HEDDLE_DATA_DIR/heddle.db', meaning: 'the SQLite database' },
  { name: 'HEDDLE_FUNCTIONS_DIR', fallback: 'none', meaning: 'a folder of your own compute functions, .js and .mjs' },
  {
    name: 'HEDDLE_ALLOW_HOSTS',
    fallback: 'none',
    meaning: 'destinations that fetches may reach though they are not public: names, addresses, CIDR ranges, by commas',
  },
  {
    name: 'HEDDLE_TOKENS',
    fallback: 'none',
    meaning: 'who may call: token:scope+scope, by commas; scopes read, launch, admin',
  },
  { name: 'HEDDLE_ORIGINS', fallback: 'none', meaning: "web origins that may call the API besides the server's own" },
  { name: 'HEDDLE_INTROSPECTION', fallback: 'true', meaning: 'GraphiQL, introspection and suggestions' },
  { name: 'HEDDLE_RATE_LIMIT', fallback: 'none', meaning: 'requests a minute of a token' },
  { name: 'HEDDLE_LANES', fallback: 'cores', meaning: 'lanes of a run that does not ask for a number' },
  { name: 'HEDDLE_MAX_LANES', fallback: '32', meaning: 'lanes that a launch may ask for, and all runs hold together' },
  { name: 'HEDDLE_LANE_MEMORY_MB', fallback: '512', meaning: 'a lane that needs more is ended: OUT_OF_MEMORY' },
  { name: 'HEDDLE_MAX_IN_FLIGHT', fallback: '256', meaning: 'fetches in flight at most, over all runs' },
  {
    name: 'HEDDLE_HOST_CONCURRENCY',
    fallback: '16',
    meaning:
      'fetches in flight to one host at most, over all runs; those that HEDDLE_ALLOW_HOSTS names have no such limit',
  },
  { name: 'HEDDLE_MAX_INLINE_ITEMS', fallback: '10000', meaning: 'items of a list in a request' },
  { name: 'HEDDLE_MAX_ITEMS', fallback: '10000000', meaning: 'items of a template, range or file' },
  {
    name: 'HEDDLE_MAX_OUTPUT_BYTES',
    fallback: '1048576',
    meaning: "bytes of one task's output; more is OUTPUT_TOO_LARGE",
  },
  { name: 'HEDDLE_MAX_QUEUED_TASKS', fallback: '20000000', meaning: 'past it a launch is refused: QUEUE_FULL' },
  {
    name: 'HEDDLE_RETENTION_DAYS',
    fallback: '30',
    meaning: 'how long ended runs are kept, with their tasks and bodies; 0 keeps all',
  },
  { name: 'HEDDLE_DRAIN_MS', fallback: '5000', meaning: 'what tasks in flight get to end after SIGTERM' },
  { name: 'LOG_LEVEL', fallback: 'info', meaning: 'trace, debug, info, warn, error, fatal or silent' },
]

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** `--data-dir` for HEDDLE_DATA_DIR: every setting has a flag of the same meaning, which wins. */
export function flagOf(setting: Setting): string {
  return setting.name
    .replace(/^HEDDLE_/, '')
    .toLowerCase()
    .replaceAll('_', '-')
}

export type Command = { name: 'serve'; config: Config } | { name: 'help' } | { name: 'version' }

/** What the command line asks for. Throws ConfigError with every problem, of flags and environment together. */
export function readCommandLine(args: readonly string[], env: Environment = process.env): Command {
  const settings = Object.fromEntries(SETTINGS.map((setting) => [flagOf(setting), { type: 'string' as const }]))
  const options = { ...settings, help: { type: 'boolean' as const, short: 'h' }, version: { type: 'boolean' as const } }
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true })
  if (parsed.values.help) return { name: 'help' }
  if (parsed.values.version) return { name: 'version' }
  // One with a colon may be a token and its scopes, after a comma and a space.
  const told = (word: string) => (word.includes(':') ? 'what has a colon' : `"${word}"`)
  const problems = parsed.positionals.map((word) => `${told(word)} is not expected here: see --help`)
  const given: Record<string, string | undefined> = { ...env }
  for (const [flag, value] of Object.entries(parsed.values)) {
    const setting = SETTINGS.find((one) => flagOf(one) === flag)
    if (!setting) problems.push(`--${flag} is no flag of this command: see --help`)
    else if (typeof value !== 'string') problems.push(`--${flag} is without a value`)
    else given[setting.name] = value
  }
  try {
    const config = readConfig(given)
    if (problems.length === 0) return { name: 'serve', config }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    problems.push(...error.problems)
  }
  throw new ConfigError(problems)
}

/** Everything that is wrong with the environment, a sentence each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is wrong:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
  }
}

type Environment = Readonly<Record<string, string | undefined>>

class Reader {
  readonly problems: string[] = []
  constructor(private readonly env: Environment) {}

  text(name: string): string | null {
    const value = this.env[name]?.trim()
    return value === undefined || value === '' ? null : value
  }

  list(name: string): readonly string[] {
    return Object.freeze(
      (this.text(name) ?? '')
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean),
    )
  }

  whole(name: string, fallback: number, [min, max]: readonly [number, number]): number {
    const value = this.text(name)
    if (value === null) return fallback
    const number = Number(value)
    if (Number.isInteger(number) && number >= min && number <= max) return number
    this.problems.push(`${name} is "${value}", expected a whole number from ${min} to ${max}`)
    return fallback
  }

  /** Null where nothing is said. */
  limit(name: string, [min, max]: readonly [number, number]): number | null {
    return this.text(name) === null ? null : this.whole(name, max, [min, max])
  }

  choice<const T extends string>(name: string, fallback: T, values: readonly T[]): T {
    const value = this.text(name)
    if (value === null) return fallback
    const found = values.find((one) => one === value.toLowerCase())
    if (found === undefined) this.problems.push(`${name} is "${value}", expected one of ${values.join(', ')}`)
    return found ?? fallback
  }
}

/** Of this machine alone, whatever it listens on besides. */
function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || parseAddress(host)?.range() === 'loopback'
}

const MAX_FILE_BYTES = 1024 ** 3
const COUNT = [1, 1_000_000_000] as const

/** Reads, checks and freezes. Throws ConfigError with every problem. */
export function readConfig(env: Environment = process.env): Config {
  const read = new Reader(env)
  const dataDir = resolve(read.text('HEDDLE_DATA_DIR') ?? 'data')
  const maxLanes = read.whole('HEDDLE_MAX_LANES', 32, [1, 1024])
  const functionsDir = read.text('HEDDLE_FUNCTIONS_DIR')
  const { tokens, problems } = parseTokens(read.list('HEDDLE_TOKENS'))
  const config: Config = {
    // As a URL has it, an IPv6 address is in brackets.
    host: (read.text('HOST') ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1'),
    port: read.whole('PORT', 4000, [0, 65_535]),
    dataDir,
    databaseUrl: read.text('DATABASE_URL') ?? `file:${resolve(dataDir, 'heddle.db')}`,
    functionsDir: functionsDir === null ? null : resolve(functionsDir),
    allowHosts: read.list('HEDDLE_ALLOW_HOSTS'),
    tokens,
    origins: read.list('HEDDLE_ORIGINS'),
    introspection: read.choice('HEDDLE_INTROSPECTION', 'true', ['true', 'false']) === 'true',
    rateLimit: read.limit('HEDDLE_RATE_LIMIT', COUNT),
    lanes: read.whole('HEDDLE_LANES', Math.min(availableParallelism(), maxLanes), [1, maxLanes]),
    maxLanes,
    laneMemoryMb: read.whole('HEDDLE_LANE_MEMORY_MB', 512, [16, 1_048_576]),
    maxInFlight: read.whole('HEDDLE_MAX_IN_FLIGHT', 256, [1, 100_000]),
    hostConcurrency: read.whole('HEDDLE_HOST_CONCURRENCY', 16, [1, 100_000]),
    maxInlineItems: read.whole('HEDDLE_MAX_INLINE_ITEMS', 10_000, COUNT),
    maxItems: read.whole('HEDDLE_MAX_ITEMS', 10_000_000, COUNT),
    maxFileBytes: MAX_FILE_BYTES,
    maxOutputBytes: read.whole('HEDDLE_MAX_OUTPUT_BYTES', 1_048_576, COUNT),
    maxQueuedTasks: read.whole('HEDDLE_MAX_QUEUED_TASKS', 20_000_000, COUNT),
    retentionDays: read.whole('HEDDLE_RETENTION_DAYS', 30, [0, 36_500]),
    drainMs: read.whole('HEDDLE_DRAIN_MS', 5_000, [0, 3_600_000]),
    logLevel: read.choice('LOG_LEVEL', 'info', LOG_LEVELS),
  }
  for (const problem of problems) read.problems.push(`HEDDLE_TOKENS: ${problem}`)
  const saysTokens = read.text('HEDDLE_TOKENS') !== null
  if (saysTokens && tokens.length + problems.length === 0)
    read.problems.push('HEDDLE_TOKENS has none, expected token:scope+scope')
  if (!saysTokens && !isLoopback(config.host)) {
    read.problems.push(
      `HOST is "${config.host}", expected 127.0.0.1, ::1 or localhost: without HEDDLE_TOKENS nobody else may call the API`,
    )
  }
  if (!config.databaseUrl.startsWith('file:')) {
    read.problems.push(`DATABASE_URL is "${config.databaseUrl}", expected file: and a path`)
  }
  for (const entry of invalidDestinations(config.allowHosts)) {
    read.problems.push(`HEDDLE_ALLOW_HOSTS has "${entry}", expected a name, an address or a CIDR range`)
  }
  for (const origin of config.origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      read.problems.push(`HEDDLE_ORIGINS has "${origin}", expected an origin such as https://app.example.com`)
    }
  }
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return Object.freeze(config)
}
