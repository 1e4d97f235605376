import { describe, expect, it } from 'vitest'
import type { Entry } from '../../../src/engine/ledger.js'
import { type RecordedRun, Recorder } from '../../../src/engine/recorder.js'
import type { Commit } from '../../../src/store/store.js'
import { ManualClock } from '../../support/clock.js'
import { entryOf, runRecord } from '../../support/engine-parts.js'
import { fetchColumn } from '../../support/outputs.js'
import { fetchDetail } from '../../support/store.js'

/** A run that only remembers what the recorder tells it. */
class Run implements RecordedRun {
  readonly runId: number
  isEnding = false
  /** Of each call of advance: first indexes of the entries, and how many were left. */
  readonly advanced: { entries: number[]; left: number }[] = []
  readonly committedEntries: number[] = []
  readonly #state

  constructor(readonly log: string[] = []) {
    const { id, key: _key, spec: _spec, createdAt: _createdAt, ...state } = runRecord()
    this.runId = id
    this.#state = state
  }

  advance(entries: readonly Entry[], left: number) {
    this.advanced.push({ entries: entries.map(firstIndex), left })
    return { state: this.#state, sketches: null, stageSketches: [] }
  }

  committed(entries: readonly Entry[]): void {
    this.committedEntries.push(...entries.map(firstIndex))
    this.log.push(`committed ${entries.length}`)
  }
}

function firstIndex(entry: Entry): number {
  return entry.block.columns.indexes[0]!
}

/** Rows from `first` on, one block. */
function rows(first: number, count: number, output?: string): Entry {
  return entryOf(
    Array.from({ length: count }, (_, at) => ({ index: first + at, ...(output !== undefined && { output }) })),
  )
}

function requests(first: number, count: number, output?: string): Entry {
  const entry = rows(first, count, output)
  const fetches = fetchColumn(Array.from({ length: count }, () => fetchDetail))
  return { ...entry, block: { ...entry.block, columns: { ...entry.block.columns, fetches } } }
}

/** A store whose commits wait for the test. */
class Disk {
  readonly commits: (readonly Commit[])[] = []
  #waiting: { resolve(): void; reject(error: Error): void }[] = []

  commit(commits: readonly Commit[]): Promise<void> {
    this.commits.push(commits)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** How many commits are under way. */
  get waiting(): number {
    return this.#waiting.length
  }

  async answer(error?: Error): Promise<void> {
    const next = this.#waiting.shift()
    if (error) next?.reject(error)
    else next?.resolve()
    await settle()
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

function setup({ gatherMs = 0, isTroubled = false } = {}) {
  const disk = new Disk()
  const clock = new ManualClock()
  const log: string[] = []
  const recorder = new Recorder({
    store: disk,
    gatherMs,
    clock,
    onDrained: () => void log.push('drained'),
    isInTrouble: () => isTroubled,
    onError: (error) => void log.push(`failed: ${(error as Error).message}`),
  })
  return { disk, clock, log, recorder }
}

describe('Recorder', () => {
  it('writes what comes in one turn of the event loop in one commit, of all runs', async () => {
    const { disk, recorder } = setup()
    const [a, b] = [new Run(), new Run()]
    recorder.add(a, rows(0, 2))
    recorder.add(b, rows(10, 1))
    recorder.add(a, rows(2, 1))
    await settle()
    expect(disk.commits.map((commits) => commits.map(({ runId }) => runId))).toEqual([[a.runId, b.runId]])
    expect(a.advanced).toEqual([{ entries: [0, 2], left: 0 }])
  })

  it('has one commit under way at a time; what comes meanwhile goes with the next, in order', async () => {
    const { disk, recorder } = setup()
    const run = new Run()
    recorder.add(run, rows(0, 1))
    await settle()
    for (let index = 1; index < 5; index += 1) recorder.add(run, rows(index, 1))
    await settle()
    expect(disk.waiting).toBe(1)
    await disk.answer()
    expect(disk.waiting).toBe(1)
    expect(run.advanced.map(({ entries }) => entries)).toEqual([[0], [1, 2, 3, 4]])
    await disk.answer()
    expect(disk.waiting).toBe(0)
    expect(run.committedEntries).toEqual([0, 1, 2, 3, 4])
  })

  it('tells a run only when its entries are on disk', async () => {
    const { disk, recorder } = setup()
    const run = new Run()
    recorder.add(run, rows(0, 1))
    await settle()
    expect(run.committedEntries).toEqual([])
    await disk.answer()
    expect(run.committedEntries).toEqual([0])
  })

  it('writes a change of state without rows, and no block that has none', async () => {
    const { disk, recorder } = setup()
    const run = new Run()
    recorder.touch(run)
    await settle()
    expect(disk.commits[0]).toMatchObject([{ runId: run.runId, blocks: [] }])
    recorder.add(run, entryOf([{ index: 0 }], { dropped: new Set([0]) }))
    await disk.answer()
    expect(disk.commits[1]).toMatchObject([{ runId: run.runId, blocks: [] }])
    expect(run.advanced[1]?.entries).toEqual([0])
  })

  it('gives the same commit again until it is taken, and grants nothing meanwhile', async () => {
    const { disk, clock, recorder, log } = setup()
    const run = new Run(log)
    recorder.add(run, rows(0, 1))
    await settle()
    await disk.answer(new Error('the disk is full'))
    expect(recorder.full).toBe(true)
    expect(disk.waiting).toBe(0)
    clock.advance(1000)
    await settle()
    await disk.answer(new Error('still full'))
    recorder.add(run, rows(1, 1))
    clock.advance(1000)
    await settle()
    expect(disk.commits[2]).toBe(disk.commits[0])
    expect(run.advanced).toHaveLength(1)
    await disk.answer()
    expect(log).toEqual(['failed: the disk is full', 'failed: still full', 'committed 1', 'drained'])
    expect(recorder.full).toBe(false)
    await disk.answer()
    expect(run.committedEntries).toEqual([0, 1])
  })

  it('gathers what comes soon after a commit, but not what is enough for one', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 5 })
    const run = new Run()
    recorder.add(run, rows(0, 1))
    await settle()
    expect(disk.commits).toHaveLength(1)
    await disk.answer()
    recorder.add(run, rows(1, 1))
    recorder.add(run, rows(2, 1))
    await settle()
    expect(disk.commits).toHaveLength(1)
    clock.advance(5)
    await settle()
    expect(disk.commits).toHaveLength(2)
    await disk.answer()
    expect(run.committedEntries).toEqual([0, 1, 2])
    recorder.add(run, rows(3, 10_000))
    await settle()
    expect(disk.commits).toHaveLength(3)
  })

  it('gathers for longer after a commit of many rows', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 5 })
    const run = new Run()
    recorder.add(run, rows(0, 2_000))
    await settle()
    await disk.answer()
    recorder.add(run, rows(2_000, 1))
    clock.advance(19)
    await settle()
    expect(disk.commits).toHaveLength(1)
    clock.advance(1)
    await settle()
    expect(disk.commits).toHaveLength(2)
    await disk.answer()
    recorder.add(run, rows(2_001, 1))
    clock.advance(5)
    await settle()
    expect(disk.commits).toHaveLength(3)
  })

  it('has no run wait for its end longer than others wait for a row', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 5 })
    const [run, other] = [new Run(), new Run()]
    for (const [at, isEarly] of [true, false].entries()) {
      recorder.add(run, rows(at, 2_000))
      clock.advance(20)
      await settle()
      await disk.answer()
      recorder.add(run, rows(2_000, 1))
      recorder.add(other, rows(at, 1))
      other.isEnding = isEarly
      clock.advance(isEarly ? 4 : 10)
      await settle()
      expect(disk.commits).toHaveLength(2 * at + 1)
      if (isEarly) clock.advance(1)
      other.isEnding = true
      recorder.touch(other)
      await settle()
      expect(disk.commits).toHaveLength(2 * at + 2)
      await disk.answer()
    }
    await settle()
    expect(clock.nextDueMs).toBeNull()
  })

  it('has no request wait longer than a row, whatever was committed before', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 5 })
    const run = new Run()
    for (const [at, comes] of (['before', 'after'] as const).entries()) {
      recorder.add(run, rows(0, 2_000))
      clock.advance(20)
      await settle()
      await disk.answer()
      recorder.add(run, rows(2_000, 1))
      if (comes === 'before') recorder.add(run, requests(2_001, 1))
      clock.advance(5)
      await settle()
      if (comes === 'after') recorder.add(run, requests(2_001, 1))
      await settle()
      expect(disk.commits).toHaveLength(2 * at + 2)
      await disk.answer()
    }
  })

  it('has requests wait for a fourth of the time where they are few, also beside rows', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 20 })
    const run = new Run()
    recorder.add(run, requests(0, 1))
    await settle()
    await disk.answer()
    // First a row, which waits, and then a request, which does not.
    recorder.add(run, rows(1, 1))
    clock.advance(8)
    await settle()
    expect(disk.commits).toHaveLength(1)
    recorder.add(run, requests(2, 40))
    await settle()
    expect(disk.commits).toHaveLength(2)
    await disk.answer()
    // These were many.
    recorder.add(run, requests(42, 1))
    clock.advance(19)
    await settle()
    expect(disk.commits).toHaveLength(2)
    clock.advance(1)
    await settle()
    expect(disk.commits).toHaveLength(3)
    await disk.answer()
    recorder.add(run, requests(43, 1))
    clock.advance(5)
    await settle()
    expect(disk.commits).toHaveLength(4)
    await disk.answer()
    expect(clock.nextDueMs).toBeNull()
  })

  it('takes few for few however large their answers are, and remembers those that a commit had no room for', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 20 })
    const run = new Run()
    recorder.add(run, requests(0, 1, 'x'.repeat(1_000_000)))
    await settle()
    await disk.answer()
    recorder.add(run, rows(1, 9_000))
    recorder.add(run, requests(9_001, 1))
    await settle()
    expect(run.advanced.at(-1)).toEqual({ entries: [1], left: 1 })
    await disk.answer()
    clock.advance(5)
    await settle()
    expect(run.advanced.at(-1)).toEqual({ entries: [9_001], left: 0 })
    await disk.answer()
  })

  it('has requests wait as rows do where they come by the thousand', async () => {
    const { disk, clock, recorder } = setup({ gatherMs: 5 })
    const run = new Run()
    recorder.add(run, requests(0, 2_000))
    await settle()
    await disk.answer()
    recorder.add(run, requests(2_000, 10))
    clock.advance(19)
    await settle()
    expect(disk.commits).toHaveLength(1)
    clock.advance(1)
    await settle()
    expect(disk.commits).toHaveLength(2)
    await disk.answer()
    // These were few: the next ones do not wait for more.
    recorder.add(run, requests(2_010, 10))
    clock.advance(5)
    await settle()
    expect(disk.commits).toHaveLength(3)
    await disk.answer()
  })

  it('is stuck from a commit that failed until it is written', async () => {
    const { disk, clock, recorder } = setup()
    recorder.add(new Run(), rows(0, 1))
    await settle()
    expect(recorder.isStuck).toBe(false)
    await disk.answer(new Error('the disk is full'))
    clock.advance(1_000)
    await settle()
    expect(recorder.isStuck).toBe(true)
    await disk.answer()
    expect([recorder.isStuck, recorder.full]).toEqual([false, false])
  })

  it('is full while nothing can be written, whoever has found out', () => {
    expect(setup({ isTroubled: true }).recorder.full).toBe(true)
  })

  it('gives up when it is told to, and leaves no timer behind', async () => {
    const { disk, clock, recorder } = setup()
    const run = new Run()
    recorder.add(run, rows(0, 1))
    await settle()
    await disk.answer(new Error('the disk is full'))
    recorder.stop()
    await recorder.flushed()
    recorder.add(run, rows(1, 1))
    await recorder.flushed()
    await settle()
    expect([clock.nextDueMs, disk.commits.length, run.committedEntries]).toEqual([null, 1, []])
  })

  it('is full past a backlog, until half of it is written', async () => {
    const { disk, recorder, log } = setup()
    const run = new Run()
    for (let block = 0; block < 32; block += 1) recorder.add(run, rows(block * 1024, 1024))
    expect(recorder.full).toBe(false)
    recorder.add(run, rows(32 * 1024, 1))
    expect(recorder.full).toBe(true)
    await settle()
    await disk.answer()
    expect(recorder.full).toBe(true)
    await disk.answer()
    await disk.answer()
    expect(recorder.full).toBe(false)
    expect(log).toEqual(['drained'])
    while (disk.waiting > 0) await disk.answer()
    expect(log).toEqual(['drained'])
    // No commit is larger than the writer takes in one go.
    for (const [commit] of disk.commits) expect(commit?.blocks.length).toBeLessThanOrEqual(8)
  })

  it('counts large outputs as what they are', async () => {
    const { disk, recorder } = setup()
    const run = new Run()
    const megabyte = 'x'.repeat(1024 * 1024)
    for (let index = 0; index < 16; index += 1) recorder.add(run, rows(index, 1, megabyte))
    expect(recorder.full).toBe(true)
    await settle()
    expect(disk.commits[0]?.[0]?.blocks.length).toBeLessThanOrEqual(4)
  })

  it('does not let a run with a long backlog keep the others waiting', async () => {
    const { disk, recorder } = setup()
    const [greedy, modest] = [new Run(), new Run()]
    for (let block = 0; block < 20; block += 1) recorder.add(greedy, rows(block * 1024, 1024))
    recorder.add(modest, rows(0, 1))
    await settle()
    await disk.answer()
    // Second in line, though the first one still has more than a commit takes.
    expect(disk.commits[1]?.[0]?.runId).toBe(modest.runId)
    expect(greedy.advanced[0]?.left).toBe(12)
    while (disk.waiting > 0) await disk.answer()
    expect(greedy.committedEntries).toEqual(Array.from({ length: 20 }, (_, block) => block * 1024))
  })

  it('says when everything handed over is on disk', async () => {
    const { disk, recorder, log } = setup()
    await recorder.flushed()
    const run = new Run()
    recorder.add(run, rows(0, 1))
    const flushed = recorder.flushed().then(() => log.push('flushed'))
    await settle()
    recorder.add(run, rows(1, 1))
    await disk.answer()
    expect(log).toEqual([])
    await disk.answer()
    await flushed
    expect(run.committedEntries).toEqual([0, 1])
  })
})
