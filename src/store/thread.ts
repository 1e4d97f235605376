/** Calls into a thread of the store: one message there, one back, answered in the order in which they were asked where none takes turns. */

import { parentPort, Worker } from 'node:worker_threads'
import { errorCodeOf } from './errors.js'

/** What a thread offers; arguments and results survive a structured clone. */
type Methods<M> = { [K in keyof M]: (...args: never[]) => unknown }

interface Request {
  id: number
  method: string
  args: unknown[]
}

type Response = { id: number; value: unknown } | { id: number; failure: Failure }

interface Failure {
  message: string
  code: string
  stack: string | undefined
}

/**
 * What arrives is dead as soon as it is written or answered. V8 would let it grow to three times 16 MB before it looks, and
 * collects a small young generation of that kind as cheaply.
 */
const MAX_YOUNG_GENERATION_MB = 8

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The side that asks. */
export class StoreThread<M extends Methods<M>> {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended: Promise<void>
  #lastId = 0
  #failure: Error | null = null

  /** `data`: what the thread finds as its workerData. */
  constructor(entry: URL, options: { name: string; data: unknown }) {
    // The flags of the main thread (a debugger's, a test runner's) are not for this one.
    this.#worker = new Worker(entry, {
      name: options.name,
      workerData: options.data,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MB },
    })
    this.#worker.on('message', (response: Response) => this.#settle(response))
    this.#worker.on('messageerror', (error) => this.#fail(error))
    this.#worker.on('error', (error) => this.#fail(error))
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#fail(new Error(`the thread ${options.name} has ended`))
        resolve()
      })
    })
  }

  /** Rejects with what the method threw, its `code` kept, or with the reason why the thread is gone. */
  call<K extends keyof M & string>(method: K, ...args: Parameters<M[K]>): Promise<Awaited<ReturnType<M[K]>>> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure)
      const id = ++this.#lastId
      // Throws on what cannot be cloned: then the promise rejects and nothing waits.
      this.#worker.postMessage({ id, method, args } satisfies Request)
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /** Whether it can be asked no more. */
  get hasFailed(): boolean {
    return this.#failure !== null
  }

  /** Ends the thread; what it was still asked rejects. */
  async end(): Promise<void> {
    await this.#worker.terminate()
    await this.#ended
  }

  #settle(response: Response): void {
    const waiting = this.#waiting.get(response.id)
    this.#waiting.delete(response.id)
    if ('value' in response) waiting?.resolve(response.value)
    else waiting?.reject(toError(response.failure))
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const waiting of this.#waiting.values()) waiting.reject(this.#failure)
    this.#waiting.clear()
  }
}

function toError({ message, code, stack }: Failure): Error {
  const error = Object.assign(new Error(message), { code })
  if (stack) error.stack = stack
  return error
}

/**
 * The side that answers: serves calls one after the other until its thread is ended. A method that takes turns with others
 * answers with a promise.
 */
export function serve<M extends Methods<M>>(methods: M): void {
  const table = methods as unknown as Record<string, (...args: unknown[]) => unknown>
  parentPort?.on('message', ({ id, method, args }: Request) => {
    const answer = (value: unknown) => {
      parentPort?.postMessage({ id, value } satisfies Response, transferable(value))
    }
    const fail = (error: unknown) => {
      parentPort?.postMessage({ id, failure: toFailure(error) } satisfies Response)
    }
    try {
      const value = table[method]!(...args)
      if (value instanceof Promise) value.then(answer).catch(fail)
      else answer(value)
    } catch (error) {
      fail(error)
    }
  })
}

/** Large results are arrays of numbers, or bytes that have a buffer to themselves: they are handed over, not copied. */
function transferable(value: unknown): ArrayBuffer[] {
  if (value instanceof Float64Array || value instanceof Uint32Array) return [value.buffer as ArrayBuffer]
  if (value instanceof Uint8Array && value.byteLength === value.buffer.byteLength) return [value.buffer as ArrayBuffer]
  return []
}

function toFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), code: '', stack: undefined }
  return { message: error.message, code: errorCodeOf(error), stack: error.stack }
}
