/**
 * Streams that end at once when their client goes. A generator alone does not: its `return` waits until what it awaits
 * has come, and what a quiet run's stream awaits may never come.
 */

import type { Clock } from '../clock.js'
import type { EventBus, Topic, Watch } from '../events/bus.js'

export interface StreamSources {
  readonly bus: EventBus
  readonly clock: Clock
  /** Is told of each stream that begins; what it answers with is called at its end. */
  streaming?(): () => void
}

/** What a stream waits for. Closing it releases its watches and ends every wait. */
export class StreamScope {
  readonly #watches = new Set<Watch>()
  readonly #sleepers = new Set<() => void>()
  readonly #ended: Promise<void>
  #end = () => {}
  #closed = false

  constructor(readonly sources: StreamSources) {
    this.#ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Open until the stream ends. That the bus itself was closed is no news: the server goes, and cuts its streams. */
  watch(topic: Topic): Pick<Watch, 'next'> {
    const watch = this.sources.bus.watch(topic)
    if (this.#closed) watch.close()
    else this.#watches.add(watch)
    return {
      next: async () => {
        const news = await watch.next()
        if (news === null) await this.#ended
        return news
      },
    }
  }

  /** Resolves after so long, or when the stream is closed. */
  sleep(delayMs: number): Promise<void> {
    if (this.#closed || delayMs <= 0) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        cancel()
        this.#sleepers.delete(wake)
        resolve()
      }
      const cancel = this.sources.clock.setTimer(wake, delayMs)
      this.#sleepers.add(wake)
    })
  }

  close(): void {
    this.#closed = true
    this.#end()
    for (const watch of this.#watches) watch.close()
    for (const wake of [...this.#sleepers]) wake()
    this.#watches.clear()
  }
}

/** Keeps a stream from sending more often than its client wants. */
export class Pace {
  #readyAt = Number.NEGATIVE_INFINITY

  constructor(
    readonly scope: StreamScope,
    readonly perSecond: number,
  ) {}

  /** Resolves when the next may be sent. */
  turn(): Promise<void> {
    return this.scope.sleep(this.#readyAt - this.scope.sources.clock.monotonicMs())
  }

  /** To be called as one is sent. */
  mark(): void {
    this.#readyAt = this.scope.sources.clock.monotonicMs() + 1000 / this.perSecond
  }
}

/** The stream of a generator; nothing is opened before the first `next`, and all is released at `return`. */
export function openStream<Item>(
  sources: StreamSources,
  generate: (scope: StreamScope) => AsyncGenerator<Item, void, void>,
): AsyncIterableIterator<Item, void, void> {
  const scope = new StreamScope(sources)
  const generator = closingAfter(scope, generate)
  return {
    [Symbol.asyncIterator]() {
      return this
    },
    next: () => generator.next(),
    return() {
      scope.close()
      return generator.return()
    },
    throw(error: unknown) {
      scope.close()
      return generator.throw(error)
    },
  }
}

async function* closingAfter<Item>(
  scope: StreamScope,
  generate: (scope: StreamScope) => AsyncGenerator<Item, void, void>,
): AsyncGenerator<Item, void, void> {
  const ended = scope.sources.streaming?.()
  try {
    yield* generate(scope)
  } finally {
    scope.close()
    ended?.()
  }
}
