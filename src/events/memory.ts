/** The event bus of a single server: news goes from hand to hand, nothing is copied and nothing queues up. */

import type { RunKey } from '../domain/ids.js'
import type { EventBus, Topic, Watch } from './bus.js'

class MemoryWatch implements Watch {
  /** News since the last `next`, each run once: a watcher that stays away costs a set, not a queue. */
  #news = new Set<RunKey>()
  #waiting: {
    promise: Promise<ReadonlySet<RunKey> | null>
    resolve: (news: ReadonlySet<RunKey> | null) => void
  } | null = null
  #closed = false

  constructor(readonly onClose: () => void) {}

  tell(run: RunKey): void {
    this.#news.add(run)
    if (this.#waiting === null) return
    const { resolve } = this.#waiting
    this.#waiting = null
    resolve(this.#take())
  }

  next(): Promise<ReadonlySet<RunKey> | null> {
    if (this.#closed) return Promise.resolve(null)
    if (this.#news.size > 0) return Promise.resolve(this.#take())
    if (this.#waiting === null) {
      let resolve: (news: ReadonlySet<RunKey> | null) => void = () => {}
      const promise = new Promise<ReadonlySet<RunKey> | null>((settle) => {
        resolve = settle
      })
      this.#waiting = { promise, resolve }
    }
    return this.#waiting.promise
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#news.clear()
    this.onClose()
    this.#waiting?.resolve(null)
    this.#waiting = null
  }

  #take(): ReadonlySet<RunKey> {
    const news = this.#news
    this.#news = new Set()
    return news
  }
}

/** What concerns certain runs. */
type RunTopic = Exclude<Topic, { kind: 'allRuns' }>

/** The watches of one kind of topic, by run. */
type WatchesByRun = Map<RunKey, Set<MemoryWatch>>

export class MemoryEventBus implements EventBus {
  readonly #ofRun: WatchesByRun = new Map()
  readonly #ofTasks: WatchesByRun = new Map()
  readonly #ofAll = new Set<MemoryWatch>()
  readonly #open = new Set<MemoryWatch>()
  #closed = false

  get watches(): number {
    return this.#open.size
  }

  runChanged(run: RunKey): void {
    for (const watch of this.#ofAll) watch.tell(run)
    for (const watch of this.#ofRun.get(run) ?? []) watch.tell(run)
    for (const watch of this.#ofTasks.get(run) ?? []) watch.tell(run)
  }

  tasksCommitted(run: RunKey): void {
    for (const watch of this.#ofTasks.get(run) ?? []) watch.tell(run)
  }

  watch(topic: Topic): Watch {
    const watch: MemoryWatch = new MemoryWatch(() => this.#forget(topic, watch))
    this.#open.add(watch)
    this.#join(topic, watch)
    if (this.#closed) watch.close()
    return watch
  }

  close(): void {
    this.#closed = true
    for (const watch of [...this.#open]) watch.close()
  }

  #join(topic: Topic, watch: MemoryWatch): void {
    if (topic.kind === 'allRuns') {
      this.#ofAll.add(watch)
      return
    }
    const byRun = this.#byRun(topic)
    for (const run of runsOf(topic)) {
      const watches = byRun.get(run)
      if (watches) watches.add(watch)
      else byRun.set(run, new Set([watch]))
    }
  }

  #forget(topic: Topic, watch: MemoryWatch): void {
    this.#open.delete(watch)
    if (topic.kind === 'allRuns') {
      this.#ofAll.delete(watch)
      return
    }
    const byRun = this.#byRun(topic)
    for (const run of runsOf(topic)) {
      const watches = byRun.get(run)
      watches?.delete(watch)
      if (watches?.size === 0) byRun.delete(run)
    }
  }

  #byRun({ kind }: RunTopic): WatchesByRun {
    return kind === 'tasks' ? this.#ofTasks : this.#ofRun
  }
}

function runsOf(topic: RunTopic): readonly RunKey[] {
  return topic.kind === 'runs' ? topic.runs : [topic.run]
}
