/** The server as a child process: started on a free port, found by what it announces, and ended again. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

export interface ProductOptions {
  /** The built executable. */
  entry: string
  /** Where it keeps its database, and whatever else it writes. */
  dataDir: string
  signal: AbortSignal
}

export interface Product {
  readonly url: string
  /** Rejects when the server ends before it was asked to; never resolves. */
  readonly failure: Promise<never>
  /** Resolves when the process has ended. Safe to call twice. */
  stop(): Promise<void>
}

/** What the tasks in flight get to end, and the process after them. */
const DRAIN_MS = 500
const STOP_MS = 5_000

const KEPT_LINES = 20

/**
 * The environment is all its own: a DATABASE_URL or a port that somebody has set for another server must not be used
 * for a demonstration.
 */
function environment(dataDir: string): Record<string, string> {
  return {
    HOST: '127.0.0.1',
    PORT: '0',
    HEDDLE_DATA_DIR: dataDir,
    TMPDIR: dataDir,
    HEDDLE_ALLOW_HOSTS: '127.0.0.1',
    HEDDLE_DRAIN_MS: String(DRAIN_MS),
    LOG_LEVEL: 'info',
  }
}

/** Resolves once the server listens; rejects, with what it printed, where it ends before. */
export async function startProduct(options: ProductOptions): Promise<Product> {
  options.signal.throwIfAborted()
  const child = spawn(process.execPath, [options.entry], {
    env: environment(options.dataDir),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(`it ended with ${signal ?? `exit code ${code}`}`))
  })
  const printed: string[] = []
  const failure = ended.then((how): never => {
    throw new Error([`the server does not run: ${how}`, ...printed].join('\n  '))
  })
  // Whoever waits for it is told; with nobody waiting it is no failure.
  failure.catch(() => {})
  const stop = () => end(child, ended)
  try {
    const url = await Promise.race([announced(child, printed), failure, aborted(options.signal)])
    return { url, failure, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The address, from the first line of the log that has one. */
function announced(child: ChildProcess, printed: string[]): Promise<string> {
  return new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        printed.push(line)
        if (printed.length > KEPT_LINES) printed.shift()
        const url = urlOf(line)
        if (url !== null) resolve(url)
      })
    }
  })
}

function urlOf(line: string): string | null {
  try {
    const entry: unknown = JSON.parse(line)
    if (typeof entry === 'object' && entry !== null && 'url' in entry && typeof entry.url === 'string') return entry.url
  } catch {
    // A line that is no JSON announces nothing.
  }
  return null
}

async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort')
  throw signal.reason
}

async function end(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  await ended
  clearTimeout(late)
}
