/**
 * Questions to threads, over the inspector: it interrupts them, so that even one whose function keeps the event loop to itself
 * answers. Nothing listens on a port for it, and code that runs is as fast as without.
 */

import { Session } from 'node:inspector'

interface Attached {
  sessionId: string
  workerInfo: { title: string }
}

/** The thread is told in the title; its other ids are the inspector's own. */
const TITLE = /^\[worker (\d+)\]/

interface Answer {
  id: number
  result?: unknown
}

export class Inspection {
  readonly #session = new Session()
  /** By thread. */
  readonly #attached = new Map<number, string>()
  readonly #waiting = new Map<number, { threadId: number; resolve(result: unknown): void }>()
  #lastId = 0

  private constructor() {}

  /** Null where it cannot be had: not every Node.js is built with it. */
  static open(): Inspection | null {
    try {
      const inspection = new Inspection()
      inspection.#open()
      return inspection
    } catch {
      return null
    }
  }

  /** Resolves with the result, or with null where the thread is not there or ends first; not before it leaves a long call of the engine. */
  ask(threadId: number, method: string, params: object = {}): Promise<unknown> {
    const sessionId = this.#attached.get(threadId)
    if (sessionId === undefined) return Promise.resolve(null)
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve) => {
      this.#waiting.set(id, { threadId, resolve })
      const message = JSON.stringify({ id, method, params })
      this.#session.post('NodeWorker.sendMessageToWorker', { sessionId, message }, (error) => {
        if (error) this.#answer({ id })
      })
    })
  }

  close(): void {
    this.#session.disconnect()
    this.#attached.clear()
    for (const id of [...this.#waiting.keys()]) this.#answer({ id })
  }

  #open(): void {
    const session = this.#session
    session.connect()
    session.on('NodeWorker.attachedToWorker', ({ params }: { params: Attached }) => {
      const [, threadId] = TITLE.exec(params.workerInfo.title) ?? []
      if (threadId !== undefined) this.#attached.set(Number(threadId), params.sessionId)
    })
    session.on('NodeWorker.detachedFromWorker', ({ params }: { params: Pick<Attached, 'sessionId'> }) => {
      for (const [threadId, sessionId] of this.#attached) if (sessionId === params.sessionId) this.#forget(threadId)
    })
    session.on('NodeWorker.receivedMessageFromWorker', ({ params }: { params: { message: string } }) => {
      this.#answer(JSON.parse(params.message) as Answer)
    })
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
  }

  #forget(threadId: number): void {
    this.#attached.delete(threadId)
    for (const [id, asked] of this.#waiting) if (asked.threadId === threadId) this.#answer({ id })
  }

  #answer({ id, result }: Answer): void {
    this.#waiting.get(id)?.resolve(result ?? null)
    this.#waiting.delete(id)
  }
}
