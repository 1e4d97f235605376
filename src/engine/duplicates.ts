/**
 * Items whose request another item has had before them: its leader, the first one in the order of the source. They follow it:
 * they are never sent, and end with its answer.
 */

import { IndexSet } from '../domain/indexset.js'
import type { ResultColumns } from '../domain/results.js'
import type { TaskRecord } from '../domain/task.js'
import { type Answer, AnswerCache, answerAt, answerOf, SharedRows } from './answers.js'
import { FingerprintTable } from './fingerprints.js'
import { IndexList } from './index-list.js'

/** Rows of one block, and the characters of their outputs: a millisecond or so of the event loop. */
const BLOCK = { rows: 1_024, chars: 512 * 1024 }
/** Answers kept for items that are read later. */
const KEPT = { answers: 64, chars: 8 * 1024 * 1024 }

interface Options {
  /** Of the source: all indexes are below it. */
  count: number
  /** Those that it is to be told of, at most. */
  items: number
  /** Items that had ended before this process knew of the run; null: none. */
  ended: IndexSet | null
  /** The row of an item that has ended; null while it is on its way to the disk. */
  task(index: number): Promise<TaskRecord | null>
}

export class Duplicates {
  readonly #table: FingerprintTable
  /** Items that have ended, followers apart. */
  readonly #ended: IndexSet
  /** By leader that has not ended. */
  readonly #following = new Map<number, IndexList>()
  /** Leaders that have ended while nobody had their answer at hand, and who follows them. */
  readonly #late = new Map<number, IndexList>()
  /** Answered, and not told yet. */
  readonly #due: { answer: Answer; followers: IndexList }[] = []
  readonly #answers = new AnswerCache(KEPT)

  constructor(private readonly options: Options) {
    this.#table = new FingerprintTable(options.items)
    this.#ended = options.ended ?? new IndexSet(options.count)
  }

  /**
   * To be told of every item of the run once, in the order of the source, those that have ended included. True where it leads: it is to
   * be sent, unless it has ended. Whoever follows is taken over.
   */
  leads(key: string, index: number): boolean {
    const leader = this.#table.firstWith(key, index)
    if (leader === index) return true
    if (!this.hasEnded(index)) this.#follow(leader, index)
    return false
  }

  hasEnded(index: number): boolean {
    return this.#ended.has(index)
  }

  /** Items that were sent have ended: all of the columns' but those at the places that were dropped. */
  leadersEnded(columns: ResultColumns, dropped: ReadonlySet<number> | null): void {
    const errors = new Map(columns.errors.map(({ at, error }) => [at, error]))
    for (let at = 0; at < columns.count; at += 1) {
      if (dropped?.has(at)) continue
      const index = columns.indexes[at]!
      const answer = answerAt(columns, at, errors.get(at) ?? null)
      this.#ended.add(index)
      this.#answers.put(index, answer)
      const followers = this.#following.get(index)
      if (followers && this.#following.delete(index)) this.#due.push({ answer, followers })
    }
  }

  /** Whether an answer is to be sought for some. */
  get hasLate(): boolean {
    return this.#late.size > 0
  }

  /** Seeks the answer that has been waited for the longest; false where it cannot be had yet. */
  async answerLate(): Promise<boolean> {
    const [next] = this.#late
    if (!next) return true
    const [leader, followers] = next
    const answer = this.#answers.get(leader) ?? (await this.#read(leader))
    this.#late.delete(leader)
    if (answer === null) {
      // The others do not wait for it.
      this.#late.set(leader, followers)
      return false
    }
    this.#due.push({ answer, followers })
    return true
  }

  /** A block of items that have ended with their leaders; null where there is none. */
  takeBlock(): ResultColumns | null {
    if (this.#due.length === 0) return null
    const rows = new SharedRows(BLOCK)
    let done = 0
    for (const { answer, followers } of this.#due) {
      while (!rows.isFull && followers.size > 0) rows.add(followers.shift()!, answer)
      if (followers.size > 0) break
      done += 1
    }
    this.#due.splice(0, done)
    return rows.columns()
  }

  #follow(leader: number, index: number): void {
    const groups = this.#ended.has(leader) ? this.#late : this.#following
    const followers = groups.get(leader)
    if (followers) {
      followers.push(index)
      return
    }
    const first = new IndexList()
    first.push(index)
    groups.set(leader, first)
  }

  async #read(leader: number): Promise<Answer | null> {
    const task = await this.options.task(leader)
    const answer = task && answerOf(task)
    if (answer) this.#answers.put(leader, answer)
    return answer
  }
}
