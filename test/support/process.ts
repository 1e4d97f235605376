/** The built product as a child process: its command line, its log, its signals, its end. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ApiClient } from './api.js'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

export type LogLine = Record<string, unknown> & { level: string; time: string; msg: string }

export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export type Environment = Readonly<Record<string, string>>

/** What the test's own environment has to do with a server must not reach it. */
function environment(settings: Environment): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(HEDDLE_|HOST$|PORT$|DATABASE_URL$|LOG_LEVEL$|NODE_)/.test(name),
  )
  return { ...Object.fromEntries(own), ...settings }
}

class Program {
  readonly child: ChildProcess
  readonly exit: Promise<Exit>
  stdout = ''
  stderr = ''
  #waiting: (() => void)[] = []

  constructor(command: readonly string[], settings: Environment, options: { cwd?: string; isLeader?: boolean } = {}) {
    const [file = '', ...args] = command
    this.child = spawn(file, args, {
      env: environment(settings),
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.isLeader ?? false,
      ...(options.cwd && { cwd: options.cwd }),
    })
    const gather = (stream: 'stdout' | 'stderr') => (text: string) => {
      this[stream] += text
      for (const look of this.#waiting) look()
    }
    this.child.stdout?.setEncoding('utf8').on('data', gather('stdout'))
    this.child.stderr?.setEncoding('utf8').on('data', gather('stderr'))
    this.exit = once(this.child, 'close').then(([code, signal]) => {
      for (const look of this.#waiting) look()
      return { code, signal, stdout: this.stdout, stderr: this.stderr } as Exit
    })
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** Resolves with what `found` makes of the standard output; rejects where the program ends before. */
  output<Found>(found: (stdout: string) => Found | undefined): Promise<Found> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const what = found(this.stdout)
        if (what !== undefined) resolve(what)
        else if (this.ended) reject(new Error(`the program ended:\n${this.stdout}\n${this.stderr}`))
        else return
        this.#waiting = this.#waiting.filter((one) => one !== look)
      }
      this.#waiting.push(look)
      look()
    })
  }
}

/** Runs a command line of the product to its end. `under`: a program that starts it, with its arguments. */
export function runToEnd(
  args: readonly string[],
  settings: Environment = {},
  under: readonly string[] = [],
): Promise<Exit> {
  return new Program([...under, process.execPath, MAIN, ...args], settings).exit
}

/** For what starts the product by itself. */
export const PRODUCT: readonly string[] = [process.execPath, MAIN]

/** A server that listens, in a process of its own. */
export interface ServerProcess {
  readonly url: string
  readonly api: ApiClient
  readonly pid: number
  /** Lines of its log so far. */
  log(): LogLine[]
  /** Sends the signal; resolves when the process has ended. */
  end(signal: NodeJS.Signals): Promise<Exit>
  readonly exit: Promise<Exit>
  /** Does not wait for its end. */
  signal(signal: NodeJS.Signals): void
}

/** A server that may be ended before it listens. */
export function beginProcess(settings: Environment): Pick<ServerProcess, 'end' | 'pid'> {
  const program = new Program(PRODUCT, { PORT: '0', ...settings })
  return {
    pid: program.child.pid ?? Number.NaN,
    end(signal) {
      program.child.kill(signal)
      return program.exit
    },
  }
}

export async function startProcess(
  settings: Environment,
  /** `isLeader`: of a process group of its own. */
  options: { args?: readonly string[]; command?: readonly string[]; cwd?: string; isLeader?: boolean } = {},
): Promise<ServerProcess> {
  const command = options.command ?? [process.execPath, MAIN, ...(options.args ?? [])]
  const program = new Program(command, { PORT: '0', ...settings }, options)
  const lines = (stdout: string) => stdout.split('\n').filter((line) => line.startsWith('{'))
  const parsed = (stdout: string): LogLine[] => {
    const whole = stdout.slice(0, stdout.lastIndexOf('\n') + 1)
    return lines(whole).map((line) => JSON.parse(line) as LogLine)
  }
  const url = await program.output((stdout) => {
    const listening = parsed(stdout).find(({ msg }) => msg.startsWith('Heddle is listening'))
    return listening && String(listening.url)
  })
  return {
    url,
    api: new ApiClient(url),
    pid: program.child.pid ?? Number.NaN,
    exit: program.exit,
    log: () => parsed(program.stdout),
    signal: (signal) => void program.child.kill(signal),
    end(signal) {
      program.child.kill(signal)
      return program.exit
    },
  }
}
