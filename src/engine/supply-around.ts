/** A supply around another one: what it does not change is that one's. */

import type { ResultColumns } from '../domain/results.js'
import type { Batch, Range, Starts, Supply } from './supply.js'

export abstract class SupplyAround implements Supply {
  constructor(protected readonly inner: Supply) {}

  abstract get ready(): number
  abstract take(max: number, slots?: number): Batch | null

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

  started(starts: Starts): void {
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
