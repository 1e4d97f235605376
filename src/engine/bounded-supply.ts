/** Back-pressure: a stage is handed out no more than the next one has room for. */

import type { ResultColumns } from '../domain/results.js'
import type { Batch, Range, Supply } from './supply.js'

/** The supply of a stage that has one after it: no more is handed out than that one has room for. */
export class BoundedSupply implements Supply {
  /** `room`: for how many more there is, those on their way apart. */
  constructor(
    private readonly inner: Supply,
    private readonly room: () => number,
  ) {}

  get ready(): number {
    const { ready } = this.inner
    return ready === 0 ? 0 : Math.max(0, Math.min(ready, this.room()))
  }

  get size(): number {
    return this.inner.size
  }

  get nextDueMs(): number | null {
    return this.inner.nextDueMs
  }

  get mayWaitInLane(): boolean {
    return this.inner.mayWaitInLane
  }

  start(): void {
    this.inner.start()
  }

  hold(): void {
    this.inner.hold()
  }

  take(max: number, slots?: number): Batch | null {
    const count = Math.min(max, this.room())
    return count > 0 ? this.inner.take(count, slots) : null
  }

  started(starts: Parameters<Supply['started']>[0]): void {
    this.inner.started(starts)
  }

  reported(columns: ResultColumns): void {
    this.inner.reported(columns)
  }

  giveBack(index: number, attempt: number): void {
    this.inner.giveBack(index, attempt)
  }

  restore(batch: Range, from: number): void {
    this.inner.restore(batch, from)
  }

  delay(index: number, attempt: number, dueMs: number): void {
    this.inner.delay(index, attempt, dueMs)
  }

  release(nowMs: number): void {
    this.inner.release(nowMs)
  }

  ended(columns: ResultColumns, dropped: ReadonlySet<number> | null): void {
    this.inner.ended(columns, dropped)
  }

  stop(): void {
    this.inner.stop()
  }
}
