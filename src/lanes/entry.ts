/** What tinypool loads into a worker thread or child process: it runs one task there, which is to be a lane. */

import { constants } from 'node:os'
// A function may take the global one away.
import process from 'node:process'
import { isMainThread, parentPort, threadId, Worker } from 'node:worker_threads'
import { BUILTINS } from '../functions/builtins/index.js'
import { createRegistry } from '../functions/registry.js'
import { Authors } from './authors.js'
import { transferables } from './block.js'
import { openCpuClock } from './cpu.js'
import { messageOf } from './failure.js'
import { openLoadClock } from './load.js'
import type { FaultAuthor, FromLane, FromProcess, GuardTask, LaneTask, ToLane } from './messages.js'
import { monotonicOfZeroMs } from './monotonic.js'
import { Session } from './session.js'
import { FileSlateWriter, MemorySlateWriter, type SlateWriter } from './slate.js'
import { exposeMemory } from './weight.js'

/** The lane's end of the line to the server. */
interface Line {
  send(message: FromLane): void
  /** Sends a last message and ends the lane. */
  quit(message: FromLane): void
  listen(onMessage: (message: ToLane) => void): void
  slateFor(memory: SharedArrayBuffer | null): SlateWriter
  /** See SessionSetting. */
  started: Promise<unknown>
}

/** Never settles: a lane is ended from outside, or by what a function does to it. */
export async function runLane(task: LaneTask): Promise<never> {
  const line = task.line.kind === 'port' ? portLine(task.line.port) : channelLine(task.line)
  const { registry } = await createRegistry({ builtins: BUILTINS, directory: task.functionsDir, trusted: true })
  const session = new Session({
    registry,
    openFetcher: async () => {
      const { createFetcher } = await import('../fetching/http.js')
      return createFetcher({ allow: task.allowHosts, memoryMb: task.laneMemoryMb })
    },
    stagingDir: task.stagingDir,
    slateFor: (memory) => line.slateFor(memory),
    started: line.started,
    cpu: await openCpuClock(),
    load: openLoadClock(),
    authors: new Authors(),
    epochOfZeroMs: task.epochOfMonotonicMs + monotonicOfZeroMs(),
    send: (message) => line.send(message),
  })
  let hasQuit = false
  const quit = (message: string | null, author: FaultAuthor | null) => {
    if (hasQuit) return
    hasQuit = true
    session.flush()
    line.quit({ kind: 'fault', message, author })
  }
  process.on('uncaughtException', (thrown: unknown) => {
    const isBlamed = session.blame(thrown)
    quit(messageOf(thrown), isBlamed ? { index: null } : null)
  })
  process.on('unhandledRejection', (thrown: unknown) => {
    if (!session.blame(thrown)) quit(messageOf(thrown), null)
  })
  // A function may call process.exit(): what others have come to is not lost with it, and nobody else is to blame.
  process.on('exit', () => {
    if (hasQuit) return
    session.flush()
    if (session.author) line.send({ kind: 'fault', message: null, author: session.author })
  })
  line.listen((message) => session.handle(message))
  line.send({ kind: 'ready', id: isMainThread ? process.pid : threadId })
  return new Promise<never>(() => {})
}

function portLine(port: Extract<LaneTask['line'], { kind: 'port' }>['port']): Line {
  exposeMemory()
  let slate: SlateWriter | null = null
  // tinypool has heard all that it is to hear over this one, and what it does not know ends the server.
  if (parentPort) parentPort.postMessage = () => {}
  // To the process, a signal would be the server's end.
  const kill = process.kill
  process.kill = (pid, signal = 'SIGTERM') => {
    if (signal === 0 || (pid !== process.pid && pid !== 0)) return kill(pid, signal)
    return process.exit(128 + (typeof signal === 'number' ? signal : constants.signals[signal as NodeJS.Signals]))
  }
  const send = (message: FromLane) => {
    port.postMessage(message, message.kind === 'results' ? transferables(message.block.columns) : [])
  }
  return {
    send,
    quit: (message) => {
      send(message)
      process.exit(1)
    },
    listen: (onMessage) => void port.on('message', onMessage),
    slateFor: (memory) => {
      if (memory) slate = new MemorySlateWriter(memory)
      if (!slate) throw new Error('the lane was given no slate')
      return slate
    },
    started: Promise.resolve(),
  }
}

function channelLine({ slatePath, key, guard }: Extract<LaneTask['line'], { kind: 'channel' }>): Line {
  const slate = new FileSlateWriter(slatePath)
  const toServer = process.send!.bind(process)
  const send = (message: FromLane) => void (process.connected && toServer({ key, message } satisfies FromProcess))
  // Ctrl-C goes to all processes of a terminal, and the server decides when its lanes end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('disconnect', () => process.exit(0))
  // An aborted process looks like one whose memory has run out.
  process.abort = () => process.exit(134)
  return {
    send,
    quit: (message) => void toServer({ key, message } satisfies FromProcess, () => process.exit(1)),
    // tinypool's own messages come the same way, and are its own business.
    listen: (onMessage) => void process.on('message', (message) => isToLane(message) && onMessage(message)),
    slateFor: () => slate,
    started: startGuard(guard),
  }
}

const KINDS: ReadonlySet<unknown> = new Set<ToLane['kind']>([
  'open',
  'grant',
  'recall',
  'cancel',
  'prepare',
  'probe',
  'weigh',
])

function isToLane(message: unknown): message is ToLane {
  return typeof message === 'object' && message !== null && KINDS.has((message as { kind?: unknown }).kind)
}

/** Resolves when it runs, or cannot be had. */
function startGuard(guard: GuardTask): Promise<void> {
  const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 }
  const worker = new Worker(new URL('./guard.js', import.meta.url), {
    workerData: guard,
    env: {},
    execArgv: [],
    resourceLimits,
  })
  worker.unref()
  return new Promise((resolve) => {
    worker.once('online', resolve)
    // A lane can do without: it then ends with its channel, unless a function keeps the event loop to itself.
    worker.on('error', () => resolve())
  })
}
