import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { type Others, type Solo, Solos } from '../../../src/engine/solos.js'

const ORDINARY = toRunKey('ordinary')
const NOBODY: Others = { held: 0, priority: null }

function soloOf(name: string, priority = 0) {
  const solo = {
    key: toRunKey(name),
    priority,
    begun: 0,
    begin: () => {
      solo.begun += 1
    },
  }
  return solo satisfies Solo
}

/** Those of one priority that hold so many lanes and want more. */
const busy = (held: number, priority = 0): Others => ({ held, priority })

describe('Solos', () => {
  it('keeps the lanes free for a solo until nobody holds one, and then lets it alone have some', () => {
    const solos = new Solos()
    const solo = soloOf('solo')
    expect(solos.admits(ORDINARY)).toBe(true)
    solos.ask(solo)
    solos.update(0, busy(2))
    expect([solo.begun, solos.admits(ORDINARY), solos.admits(solo.key)]).toEqual([0, false, false])
    solos.update(50, busy(1))
    solos.update(80, busy(0))
    expect([solo.begun, solos.admits(ORDINARY), solos.admits(solo.key)]).toEqual([1, false, true])
    solos.leave(solo, 5000)
    expect([solo.begun, solos.admits(ORDINARY)]).toEqual([1, true])
  })

  it('leaves the lanes to those who wait for as long as it kept them out', () => {
    const solos = new Solos()
    const solo = soloOf('solo')
    solos.ask(solo)
    solos.update(1000, busy(1))
    solos.update(1100, busy(0))
    solos.leave(solo, 4100)
    solos.ask(solo)
    solos.update(4100, busy(0))
    expect([solo.begun, solos.admits(ORDINARY), solos.dueMs]).toEqual([1, true, 7200])
    solos.update(7199, busy(2))
    expect(solos.admits(ORDINARY)).toBe(true)
    solos.update(7200, busy(2))
    expect([solo.begun, solos.admits(ORDINARY)]).toEqual([1, false])
    solos.update(7210, busy(0))
    expect(solo.begun).toBe(2)
  })

  it('goes on at once where nobody waits, or nobody who is not to wait for it', () => {
    for (const others of [NOBODY, { held: 0, priority: -1 }]) {
      const solos = new Solos()
      const solo = soloOf('solo')
      solos.ask(solo)
      solos.update(0, others)
      solos.leave(solo, 9000)
      solos.ask(solo)
      solos.update(9000, others)
      expect(solo.begun).toBe(2)
    }
  })

  it('lets runs of higher priority go before, also while the lanes are on their way back', () => {
    const solos = new Solos()
    const solo = soloOf('solo')
    solos.ask(solo)
    solos.update(0, busy(1))
    expect(solos.admits(ORDINARY)).toBe(false)
    solos.update(10, busy(1, 5))
    expect([solos.admits(ORDINARY), solos.dueMs]).toEqual([true, 20])
    solos.update(20_000, busy(1, 5))
    // It is the other run that is waited for now.
    expect(solos.dueMs).toBeNull()
    solos.update(20_001, NOBODY)
    expect(solo.begun).toBe(1)
  })

  it('has those take turns who want to be alone, the highest priority first, by the time that they have had', () => {
    const solos = new Solos()
    const [long, short, high] = [soloOf('long'), soloOf('short'), soloOf('high', 1)]
    const began: string[] = []
    const durations = new Map<Solo, number>([
      [long, 400],
      [short, 100],
      [high, 50],
    ])
    for (const solo of [long, short, high]) solos.ask(solo)
    let nowMs = 0
    for (let turn = 0; turn < 12; turn += 1) {
      const before = new Map([...durations.keys()].map((solo) => [solo, (solo as typeof long).begun]))
      solos.update(nowMs, NOBODY)
      const alone = [long, short, high].find((solo) => solo.begun > before.get(solo)!)!
      began.push(alone.key)
      nowMs += durations.get(alone)!
      solos.leave(alone, nowMs)
      if (alone === high) solos.forget(high, nowMs)
      else solos.ask(alone)
    }
    expect(began).toEqual(['high', 'long', ...Array(4).fill('short'), 'long', ...Array(4).fill('short'), 'long'])
  })

  it('does not let who comes make up for the time before', () => {
    const solos = new Solos()
    const [first, second] = [soloOf('first'), soloOf('second')]
    solos.ask(first)
    solos.update(0, NOBODY)
    solos.leave(first, 60_000)
    solos.ask(first)
    solos.ask(second)
    solos.update(60_000, NOBODY)
    // Level with it: who was there first goes first, and then it is the other's turn.
    expect([first.begun, second.begun]).toEqual([2, 0])
    solos.leave(first, 60_010)
    solos.ask(first)
    solos.update(60_010, NOBODY)
    expect([first.begun, second.begun]).toEqual([2, 1])
  })

  it('gives the lanes back where they do not get free, for as long as they were kept free, and waits longer the next time', () => {
    const solos = new Solos()
    const solo = soloOf('solo')
    solos.ask(solo)
    const openings: [number, boolean][] = []
    let wasOpen = true
    for (let nowMs = 0; nowMs <= 150_000; nowMs += 1000) {
      solos.update(nowMs, busy(1))
      const isOpen = solos.admits(ORDINARY)
      if (isOpen !== wasOpen) openings.push([nowMs / 1000, isOpen])
      wasOpen = isOpen
    }
    expect(openings).toEqual([
      [0, false],
      [10, true],
      [20, false],
      [40, true],
      [60, false],
      [100, true],
      [140, false],
    ])
    solos.update(150_500, busy(0))
    expect(solo.begun).toBe(1)
  })

  it('is closed to nobody any more when who waited has gone', () => {
    const solos = new Solos()
    const solo = soloOf('solo')
    solos.ask(solo)
    solos.update(0, busy(1))
    expect(solos.admits(ORDINARY)).toBe(false)
    solos.forget(solo, 1)
    expect([solos.isEmpty, solos.admits(ORDINARY), solos.dueMs]).toEqual([true, true, null])
    solos.forget(solo, 2)
  })
})

/** Solos that run again and again beside ordinary runs, whose tasks end in their own time. */
class Simulation {
  readonly solos = new Solos()
  nowMs = 0
  readonly others: { priority: number; wants: boolean; endsMs: number | null }[]
  readonly problems: string[] = []
  alone: { solo: Solo; endsMs: number } | null = null
  /** Begins, and the time that ordinary runs of the same priority had since the last one and were kept out by it. */
  readonly begins: { solo: Solo; atMs: number; openMs: number; owedMs: number }[] = []
  #openMs = 0
  #keptOutMs = 0

  constructor(
    priorities: readonly number[],
    private readonly taskMs: number,
  ) {
    this.others = priorities.map((priority) => ({ priority, wants: true, endsMs: null }))
  }

  solo(name: string, priority: number, lastsMs: number): Solo {
    const solo: Solo = {
      key: toRunKey(name),
      priority,
      begin: () => {
        if (this.alone) this.problems.push(`${name} began beside ${this.alone.solo.key}`)
        if (this.#held > 0) this.problems.push(`${name} began while ${this.#held} lanes were held`)
        this.begins.push({ solo, atMs: this.nowMs, openMs: this.#openMs, owedMs: this.#keptOutMs })
        this.#openMs = 0
        this.#keptOutMs = 0
        this.alone = { solo, endsMs: this.nowMs + lastsMs }
      },
    }
    this.solos.ask(solo)
    return solo
  }

  get #held(): number {
    return this.others.filter(({ endsMs }) => endsMs !== null).length
  }

  step(byMs: number): void {
    const isOpen = this.solos.admits(ORDINARY)
    this.nowMs += byMs
    if (isOpen) this.#openMs += byMs
    else this.#keptOutMs += byMs
    if (this.alone && this.nowMs >= this.alone.endsMs) {
      const { solo } = this.alone
      this.alone = null
      this.solos.leave(solo, this.nowMs)
      this.solos.ask(solo)
    }
    for (const one of this.others) if (one.endsMs !== null && one.endsMs <= this.nowMs) one.endsMs = null
    this.#update()
    for (const one of this.others) {
      if (one.endsMs === null && one.wants && this.solos.admits(ORDINARY)) one.endsMs = this.nowMs + this.taskMs
    }
    if (this.alone && !this.solos.admits(this.alone.solo.key)) this.problems.push('who is alone gets no lanes')
    if (this.alone && this.solos.admits(ORDINARY)) this.problems.push('somebody gets lanes beside who is alone')
  }

  #update(): void {
    const active = this.others.filter(({ wants, endsMs }) => wants || endsMs !== null)
    const priority = active.length === 0 ? null : Math.max(...active.map((one) => one.priority))
    this.solos.update(this.nowMs, { held: this.#held, priority })
  }
}

const STEP_MS = 50

describe('Solos at any time', () => {
  it('never lets two be alone, nor anyone beside them, and lets nobody of one priority starve', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 50, max: 3000 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 10, max: 4000 }),
        fc.array(fc.boolean(), { maxLength: 200 }),
        (lasts, runs, taskMs, toggles) => {
          const simulation = new Simulation(Array(runs).fill(0), taskMs)
          const solos = lasts.map((lastsMs, at) => simulation.solo(`solo ${at}`, 0, lastsMs))
          for (const [at, toggle] of toggles.entries()) {
            if (toggle) simulation.others[at % runs]!.wants = !simulation.others[at % runs]!.wants
            simulation.step(STEP_MS)
          }
          for (const one of simulation.others) one.wants = true
          const from = simulation.begins.length
          // Until each of the others has had as long a turn as the longest, and ordinary runs as long as all of them.
          const longestMs = Math.max(...lasts) + taskMs + 3 * STEP_MS
          for (let ms = 0; ms < 6 * lasts.length * longestMs; ms += STEP_MS) simulation.step(STEP_MS)
          expect(simulation.problems).toEqual([])
          const later = simulation.begins.slice(from)
          for (const solo of solos) expect(later.some((begin) => begin.solo === solo)).toBe(true)
          // The first of them may have been owed less: nobody waited before.
          for (const { openMs, owedMs } of later.slice(1)) {
            expect(openMs).toBeGreaterThanOrEqual(owedMs - taskMs - 3 * STEP_MS)
            expect(openMs).toBeGreaterThan(0)
          }
        },
      ),
    )
  })

  it('serves the higher priority first, whoever that is', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2, max: 2 }), fc.integer({ min: -2, max: 2 }), (priority, others) => {
        const simulation = new Simulation([others], 100)
        simulation.solo('solo', priority, 500)
        for (let step = 0; step < 200; step += 1) simulation.step(STEP_MS)
        expect(simulation.problems).toEqual([])
        if (others > priority) expect(simulation.begins).toEqual([])
        else expect(simulation.begins.length).toBeGreaterThan(3)
        // Beside one that goes before, ordinary runs get what it leaves: nothing.
        if (others < priority) expect(simulation.begins.length).toBeGreaterThan(15)
      }),
    )
  })
})
