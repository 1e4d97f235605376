import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IndexSet } from '../../../src/domain/indexset.js'
import { FLOW, FlowSupply, GATED_FLOW, MOST_CHARS } from '../../../src/engine/flow.js'
import type { Batch } from '../../../src/engine/supply.js'
import { ManualClock } from '../../support/clock.js'
import { columnsOf, STARTED_AT } from '../../support/engine-parts.js'

const TOTAL = 20_000

interface Setup {
  capacity?: { items: number; mostItems: number; chars: number }
  recovered?: number[][]
  total?: number
  /** What the stage before can have in service. */
  inService?: number
}

/** A flow over a disk that has what the test puts there. */
function setup({ capacity = FLOW, recovered = [], total = TOTAL, inService = 0 }: Setup = {}) {
  const clock = new ManualClock()
  const disk = new Map<number, string>()
  const reads: number[][] = []
  const flow = new FlowSupply({
    capacity,
    total,
    recovered: recovered.map((indexes) => setOf(total, indexes)),
    toInput: (text) => `input ${text}`,
    read: async (indexes) => {
      reads.push([...indexes])
      return indexes.flatMap((index) => {
        const text = disk.get(index)
        return text === undefined ? [] : [{ index, text, readyMs: 7 }]
      })
    },
    runStartedAt: () => STARTED_AT,
    inService: () => inService,
    nowMs: () => clock.monotonicMs(),
  })
  const arrive = (...indexes: number[]) => {
    for (const index of indexes) flow.arrive(index, `t${index}`, STARTED_AT + index)
  }
  const end = (...indexes: number[]) => flow.ended(columnsOf(indexes.map((index) => ({ index }))), null)
  return { flow, clock, disk, reads, arrive, end }
}

function setOf(bound: number, indexes: readonly number[]): IndexSet {
  const set = new IndexSet(bound)
  for (const index of indexes) set.add(index)
  return set
}

const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, at) => from + at)

function indexesOf(batch: Batch | null): number[] {
  return batch === null ? [] : (batch.indexes ?? upTo(batch.count, batch.first))
}

describe('what a flow hands out', () => {
  it('is what has come, in that order, with what it was handed over', () => {
    const { flow, arrive } = setup()
    expect([flow.ready, flow.size, flow.take(5)]).toEqual([0, 0, null])
    arrive(3, 1, 2)
    expect([flow.ready, flow.size]).toEqual([3, 3])
    const inputs = ['input t3', 'input t1']
    expect(flow.take(2)).toEqual({ first: 3, count: 2, indexes: [3, 1], attempts: null, inputs })
    expect([flow.ready, flow.size]).toEqual([1, 1])
    arrive(9)
    expect(indexesOf(flow.take(5))).toEqual([2, 9])
    expect(flow.take(5)).toBeNull()
  })

  it('is nothing where nothing is asked for', () => {
    const { flow, arrive } = setup()
    arrive(1)
    expect(flow.take(0)).toBeNull()
    expect(flow.ready).toBe(1)
  })

  it('is told as it comes', () => {
    const { flow, arrive } = setup()
    const told: number[] = []
    flow.onArrival = () => void told.push(flow.size)
    arrive(1, 2)
    expect(told).toEqual([1, 2])
  })

  it('begins with what was given back, its attempt with it', () => {
    const { flow, arrive } = setup()
    arrive(1, 2, 3)
    const batch = flow.take(2)!
    flow.giveBack(2, 1)
    expect(flow.take(5)).toEqual({ first: 2, count: 1, indexes: [2], attempts: [1], inputs: ['input t2'] })
    flow.restore(batch, 0)
    expect(indexesOf(flow.take(5))).toEqual([1, 2])
    flow.restore({ ...batch, attempts: [2, 3] }, 1)
    expect(flow.take(5)).toMatchObject({ indexes: [2], attempts: [3] })
    expect(indexesOf(flow.take(5))).toEqual([3])
  })

  it('comes again when its back-off is over', () => {
    const { flow, arrive } = setup()
    arrive(1)
    flow.take(1)
    flow.delay(1, 2, 100)
    expect([flow.ready, flow.size, flow.nextDueMs]).toEqual([0, 1, 100])
    flow.release(99)
    expect(flow.take(1)).toBeNull()
    flow.release(100)
    expect(flow.take(1)).toEqual({ first: 1, count: 1, indexes: [1], attempts: [2], inputs: ['input t1'] })
  })

  it('knows when it left the stage before, until it has ended', () => {
    const { flow, arrive, end } = setup()
    expect(flow.readyAtOf(5)).toBeNull()
    arrive(5)
    flow.take(1)
    flow.delay(5, 2, 100)
    expect(flow.readyAtOf(5)).toBe(STARTED_AT + 5)
    end(5)
    expect(flow.readyAtOf(5)).toBeNull()
    // It may be told twice.
    end(5)
    expect(flow.room).toBe(FLOW.items)
  })
})

describe('what came before this process knew of it', () => {
  it('goes first, in the order of the lists, and is read from the disk', async () => {
    const { flow, arrive, disk, reads } = setup({
      recovered: [
        [4, 6],
        [1, 5],
      ],
    })
    arrive(9)
    for (const index of [1, 4, 5, 6]) disk.set(index, `d${index}`)
    expect([flow.ready, flow.size]).toEqual([5, 5])
    const batch = flow.take(10)!
    expect([indexesOf(batch), batch.inputs]).toEqual([[4, 6], undefined])
    expect(await flow.inputs(indexesOf(batch))).toEqual(
      new Map([
        [4, 'input d4'],
        [6, 'input d6'],
      ]),
    )
    expect(flow.readyAtOf(4)).toBe(STARTED_AT + 7)
    expect(indexesOf(flow.take(1))).toEqual([1])
    expect(indexesOf(flow.take(10))).toEqual([5])
    expect(flow.take(10)).toMatchObject({ indexes: [9], inputs: ['input t9'] })
    expect(reads).toEqual([[4, 6]])
  })

  it('takes up room once it is in memory, and not before', async () => {
    const { flow, disk, end } = setup({ recovered: [upTo(2_000)] })
    expect(flow.room).toBe(FLOW.items)
    for (const index of upTo(24)) disk.set(index, 'd')
    await flow.inputs(indexesOf(flow.take(24)))
    expect(flow.room).toBe(FLOW.items - 24)
    end(...upTo(24))
    expect(flow.room).toBe(FLOW.items)
  })

  it('is as far there as it is on disk, and nothing is an error', async () => {
    const { flow, disk } = setup({ recovered: [[1, 2]] })
    flow.take(2)
    await expect(flow.inputs([1, 2])).rejects.toThrow('what the stage before gave is not on disk')
    disk.set(2, 'd2')
    expect(await flow.inputs([1, 2])).toEqual(new Map([[2, 'input d2']]))
    // What is there is not read again.
    disk.set(1, 'd1')
    expect([...(await flow.inputs([1, 2])).keys()]).toEqual([1, 2])
  })
})

describe('the room of a flow', () => {
  it('is for so many items, those that are handed out included', () => {
    const { flow, arrive } = setup()
    arrive(...upTo(1_000))
    expect([flow.room, flow.isShut]).toEqual([24, false])
    flow.take(500)
    expect(flow.room).toBe(24)
  })

  it('is shut when it is full, until it is half empty', () => {
    const { flow, arrive, end } = setup()
    arrive(...upTo(1_024))
    expect([flow.room, flow.isShut]).toEqual([0, true])
    end(...upTo(511))
    expect([flow.room, flow.isShut]).toEqual([0, true])
    end(511)
    expect([flow.room, flow.isShut]).toEqual([512, false])
    arrive(...upTo(500, 2_000))
    expect(flow.room).toBe(12)
  })

  it('is for so much text, by the length of the last items', () => {
    const { flow, end } = setup()
    const text = 'x'.repeat(250_000)
    flow.arrive(0, text, STARTED_AT)
    expect(flow.room).toBe(4)
    for (const index of upTo(4, 1)) flow.arrive(index, text, STARTED_AT)
    expect([flow.room, flow.isShut]).toEqual([0, true])
    end(0, 1, 2)
    expect(flow.room).toBe(3)
    // As soon as shorter ones come, there may be more of them.
    end(3, 4)
    for (const index of upTo(200, 10)) flow.arrive(index, 'x'.repeat(10), STARTED_AT)
    expect(flow.room).toBeGreaterThan(100)
  })

  it('is for twice what the stage before can have in service, however long that is, within bounds', () => {
    const texts = { short: 'x'.repeat(100_000), long: 'x'.repeat(1_000_000) }
    const short = setup({ inService: 64 })
    short.flow.arrive(0, texts.short, STARTED_AT)
    expect(short.flow.room).toBe(127)
    const long = setup({ inService: 64 })
    long.flow.arrive(0, texts.long, STARTED_AT)
    expect(long.flow.room).toBe(Math.ceil(MOST_CHARS / 1_000_000) - 1)
    const many = setup({ inService: 5_000 })
    expect(many.flow.room).toBe(10_000)
  })

  it('does not count what rests, and counts it again when it goes on', () => {
    const { flow, arrive } = setup()
    arrive(...upTo(600))
    flow.take(600)
    for (const index of upTo(200)) flow.delay(index, 2, 100)
    expect([flow.room, flow.size]).toEqual([FLOW.items - 400, 200])
    flow.release(100)
    expect(flow.take(200)?.inputs).toHaveLength(200)
    expect([flow.room, flow.size]).toEqual([FLOW.items - 600, 0])
  })

  it('rests once, and wakes when it is handed out', () => {
    const { flow, arrive } = setup()
    arrive(1, 2)
    flow.take(2)
    flow.delay(1, 2, 100)
    flow.rest(1)
    flow.rest(77)
    expect(flow.room).toBe(FLOW.items - 1)
    flow.release(100)
    flow.take(1)
    expect(flow.room).toBe(FLOW.items - 2)
  })

  it('ends whatever rests', () => {
    const { flow, arrive, end } = setup()
    arrive(1)
    flow.take(1)
    flow.delay(1, 2, 100)
    end(1)
    expect(flow.room).toBe(FLOW.items)
    arrive(2)
    expect(flow.room).toBe(FLOW.items - 1)
  })

  it('grows where the stage ends much in a moment, and is as it was where it does not', () => {
    const { flow, clock, arrive, end } = setup()
    const pass = (count: number, ms: number) => {
      arrive(...upTo(count))
      flow.take(count)
      clock.advance(ms)
      end(...upTo(count))
    }
    arrive(0)
    end(0)
    pass(4_000, 100)
    expect(flow.room).toBe(4_001)
    pass(60_000, 100)
    expect(flow.room).toBe(FLOW.mostItems)
    pass(10, 100)
    expect(flow.room).toBe(FLOW.items)
    // It does not take a stage that has rested for a quick one.
    pass(2_000, 10_000)
    expect(flow.room).toBe(FLOW.items)
  })

  it('is larger, and does not grow, for a stage with limits per host', () => {
    const { flow, clock, arrive, end } = setup({ capacity: GATED_FLOW })
    expect(flow.room).toBe(10_000)
    end()
    arrive(...upTo(15_000))
    clock.advance(100)
    end(...upTo(15_000))
    expect(flow.room).toBe(10_000)
  })
})

describe('what rests', () => {
  it('is kept where there is little of it, and else read again', async () => {
    const { flow, arrive, disk, reads } = setup()
    arrive(...upTo(300))
    flow.take(300)
    for (const index of upTo(300)) flow.delay(index, 2, 100)
    flow.release(100)
    const again = indexesOf(flow.take(300))
    expect(again.toSorted((a, b) => a - b)).toEqual(upTo(300))
    for (const index of upTo(300)) disk.set(index, `d${index}`)
    const inputs = await flow.inputs(again)
    expect(inputs.size).toBe(300)
    expect(reads[0]?.toSorted((a, b) => a - b)).toEqual(upTo(44, 256))
    expect([inputs.get(0), inputs.get(299)]).toEqual(['input t0', 'input d299'])
    // When it left the stage before was measured, and is not taken from the disk.
    expect(flow.readyAtOf(299)).toBe(STARTED_AT + 299)
    expect(flow.room).toBe(FLOW.items - 300)
  })

  it('is kept in no more text than there is room for', async () => {
    const { flow, disk, reads } = setup()
    for (const index of upTo(8)) flow.arrive(index, 'x'.repeat(250_000), STARTED_AT)
    flow.take(8)
    for (const index of upTo(8)) flow.delay(index, 2, 100)
    flow.release(100)
    flow.take(8)
    for (const index of upTo(8)) disk.set(index, 'short')
    await flow.inputs(upTo(8))
    expect(reads).toEqual([[5, 6, 7]])
  })
})

/** An index for arriving items, past those that had come before. */
const FIRST_NEW = 100

type Step =
  | { kind: 'arrive'; count: number }
  | { kind: 'take'; count: number }
  | { kind: 'giveBack' | 'delay' | 'end'; place: number }
  | { kind: 'pass'; ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('arrive' as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('take' as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constantFrom('giveBack' as const, 'delay' as const, 'end' as const), place: fc.nat(50) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 200 }) }),
)

/** A flow beside what it is to do, without a thought for memory or time. */
class Modelled {
  readonly flow: FlowSupply
  readonly #clock: ManualClock
  readonly #waiting: Set<number>
  /** Items in back-off, and when that is over. */
  readonly #resting = new Map<number, number>()
  readonly #attempts = new Map<number, number>()
  readonly #out = new Set<number>()
  readonly ended = new Set<number>()
  came: number

  constructor(
    recovered: number[],
    private readonly items: number,
  ) {
    const capacity = { items, mostItems: items, chars: 1_000 }
    const { flow, clock, disk } = setup({ capacity, recovered: [recovered], total: 1_000 })
    for (const index of upTo(1_000)) disk.set(index, `t${index}`)
    this.flow = flow
    this.#clock = clock
    this.#waiting = new Set(recovered)
    this.came = recovered.length
  }

  async apply(one: Step): Promise<void> {
    switch (one.kind) {
      case 'arrive':
        // Nobody lets more come than there is room for.
        this.#arrive(Math.min(one.count, this.flow.room))
        break
      case 'take':
        await this.take(one.count)
        break
      case 'pass':
        this.pass(one.ms)
        break
      default: {
        const index = [...this.#out][one.place % Math.max(1, this.#out.size)]
        if (index !== undefined) this.#let(one.kind, index)
      }
    }
    expect(this.flow.size).toBe(this.#waiting.size + this.#resting.size)
    expect(this.flow.room).toBeGreaterThanOrEqual(0)
    expect(this.flow.room).toBeLessThanOrEqual(this.items)
  }

  async take(max: number): Promise<void> {
    const { ready } = this.flow
    const batch = this.flow.take(max)
    const indexes = indexesOf(batch)
    expect(indexes.length > 0).toBe(ready > 0)
    expect(indexes.length).toBeLessThanOrEqual(max)
    const inputs = batch?.inputs ?? (batch ? [...(await this.flow.inputs(indexes)).values()] : [])
    expect(inputs).toEqual(indexes.map((index) => `input t${index}`))
    indexes.forEach((index, at) => {
      const isDue = (this.#resting.get(index) ?? Number.POSITIVE_INFINITY) <= this.#clock.monotonicMs()
      expect(this.#waiting.delete(index) || (isDue && this.#resting.delete(index))).toBe(true)
      expect(batch?.attempts?.[at] ?? 1).toBe(this.#attempts.get(index) ?? 1)
      this.#out.add(index)
    })
  }

  pass(ms: number): void {
    this.#clock.advance(ms)
    this.flow.release(this.#clock.monotonicMs())
  }

  /** Lets all come to its end. */
  async finish(): Promise<void> {
    this.pass(1_000)
    while (this.flow.ready > 0) await this.take(7)
    for (const index of [...this.#out]) this.#let('end', index)
  }

  #arrive(count: number): void {
    for (let left = count; left > 0; left -= 1) {
      const index = FIRST_NEW + this.came
      this.flow.arrive(index, `t${index}`, STARTED_AT)
      this.#waiting.add(index)
      this.came += 1
    }
  }

  #let(kind: 'giveBack' | 'delay' | 'end', index: number): void {
    this.#out.delete(index)
    const attempt = this.#attempts.get(index) ?? 1
    if (kind === 'end') {
      // The other one is to be tried again.
      this.flow.ended(columnsOf([{ index }, { index: 999 }]), new Set([1]))
      this.ended.add(index)
    } else if (kind === 'giveBack') {
      this.flow.giveBack(index, attempt)
      this.#waiting.add(index)
    } else {
      const dueMs = this.#clock.monotonicMs() + 100
      this.flow.delay(index, attempt + 1, dueMs)
      this.#attempts.set(index, attempt + 1)
      this.#resting.set(index, dueMs)
    }
  }
}

describe('a flow, whatever happens', () => {
  it('loses no item and has none twice, with the right input and attempt', async () => {
    const recovered = fc.uniqueArray(fc.nat(FIRST_NEW - 1), { maxLength: 60 })
    await fc.assert(
      fc.asyncProperty(
        recovered,
        fc.integer({ min: 8, max: 28 }),
        fc.array(step, { maxLength: 80 }),
        async (before, items, steps) => {
          const modelled = new Modelled(before, items)
          for (const one of steps) await modelled.apply(one)
          await modelled.finish()
          const { flow, ended, came } = modelled
          expect([flow.size, flow.room, flow.isShut, ended.size]).toEqual([0, items, false, came])
        },
      ),
      { numRuns: 200 },
    )
  })
})
