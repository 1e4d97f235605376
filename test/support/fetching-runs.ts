/** Runs that fetch, as the fetch budget sees them, and the lanes that they get. */

import { expect } from 'vitest'
import { type RunKey, toRunKey } from '../../src/domain/ids.js'
import { FetchBudget, type FetchingRun } from '../../src/engine/fetch-budget.js'

let keys = 0

function newKey(): RunKey {
  keys += 1
  return toRunKey(String(keys))
}

/** A run that keeps its lane. */
export class Run implements FetchingRun {
  readonly key = newKey()
  readonly priority: number = 0
  held = 1
  claimed = 0
  pumped = 0
  recalled = 0

  constructor(
    readonly budget: FetchBudget,
    public wanted: number,
  ) {
    budget.note(this)
  }

  get usable(): number {
    return this.wanted
  }

  pump(): void {
    this.pumped += 1
    this.claimed += Math.max(0, Math.min(this.wanted - this.claimed, this.budget.roomFor(this).room))
  }

  recall(): void {
    this.recalled += 1
  }

  admissionChanged(): void {}

  /** Some of its fetches have ended. */
  end(count: number): void {
    this.claimed -= Math.min(count, this.claimed)
    this.budget.offer()
  }
}

/** A run that begins without a lane, and gives its lane back where it has nothing to do on it. */
export class Guest implements FetchingRun {
  /** Parts of one run have the same. */
  key = newKey()
  held = 0
  claimed = 0
  told = 0
  recalled = 0
  /** Its lane is wanted back: it takes nothing more. */
  isLeaving = false

  constructor(
    readonly budget: FetchBudget,
    public wanted: number,
    readonly priority = 0,
    private readonly release = () => {},
  ) {
    budget.note(this)
  }

  get usable(): number {
    return this.isLeaving ? this.claimed : this.wanted
  }

  pump(): void {
    if (this.held === 0) return
    if (!this.isLeaving) this.#fill()
    if (this.claimed === 0 && (this.isLeaving || this.wanted === 0 || this.budget.roomFor(this).room <= 0))
      this.#leave()
  }

  recall(): void {
    this.recalled += 1
  }

  admissionChanged(): void {
    this.told += 1
  }

  get mayAsk(): boolean {
    return this.held === 0 && this.budget.mayAsk(this)
  }

  attach(): void {
    this.held = 1
    this.#fill()
    this.budget.note(this)
    this.pump()
  }

  /** It asks, a lane is free, and comes at once; answers whether it was of use. */
  come(): boolean {
    if (!this.mayAsk || !this.budget.expect(this)) return false
    this.attach()
    return true
  }

  end(count: number): void {
    this.claimed -= Math.min(count, this.claimed)
    this.budget.note(this)
    this.budget.offer()
  }

  #fill(): void {
    this.claimed += Math.max(0, Math.min(this.wanted - this.claimed, this.budget.roomFor(this).room))
  }

  #leave(): void {
    this.held = 0
    this.isLeaving = false
    this.release()
    this.budget.note(this)
  }
}

/** A few lanes that runs get late, or not at all, and have to give back; computes have some of them at times. */
export class LateLanes {
  readonly budget: FetchBudget
  readonly runs: Guest[] = []
  /** Lanes on their way. */
  readonly coming: Guest[] = []
  /** Of those, the ones that had something to do all the time. */
  readonly sure = new Set<Guest>()
  computes = 0
  /** The budget had no use for a lane, for a run that had asked for it. */
  turnedDown = false

  constructor(
    readonly limit: number,
    readonly lanes: number,
  ) {
    this.budget = budgetOf(limit, lanes)
  }

  get free(): number {
    return this.lanes - this.computes - this.coming.length - this.runs.reduce((sum, { held }) => sum + held, 0)
  }

  launch(wanted: number, priority: number): void {
    this.runs.push(new Guest(this.budget, wanted, priority))
  }

  /** Lanes are sought for those that ask, the ones in front first. */
  seek(runs: readonly Guest[]): void {
    for (const run of runs) {
      if (this.free === 0 || !run.mayAsk || this.coming.includes(run)) continue
      const isOfUse = this.budget.expect(run)
      this.turnedDown = !isOfUse
      if (!isOfUse) continue
      this.coming.push(run)
      this.sure.add(run)
    }
  }

  arrive(at: number): void {
    const [run] = this.coming.splice(at % Math.max(1, this.coming.length), 1)
    if (run?.mayAsk) run.attach()
    else if (run) this.budget.miss(run)
    if (run && this.sure.delete(run)) expect(run.claimed).toBeGreaterThan(0)
  }

  miss(at: number): void {
    const [run] = this.coming.splice(at % Math.max(1, this.coming.length), 1)
    if (!run) return
    this.sure.delete(run)
    this.budget.miss(run)
  }

  retire(run: Guest | undefined): void {
    if (!run || run.held === 0) return
    run.isLeaving = true
    run.pump()
  }

  want(run: Guest | undefined, wanted: number): void {
    if (!run) return
    run.wanted = Math.max(run.claimed, wanted)
    if (run.wanted === 0) this.sure.delete(run)
    this.budget.note(run)
    this.budget.offer()
  }

  look(): void {
    const total = this.runs.reduce((sum, run) => sum + run.claimed, 0)
    expect(total + this.sure.size).toBeLessThanOrEqual(this.limit)
    // Who is shut out has no lane.
    for (const { held, claimed } of this.runs) if (held > 0) expect(claimed).toBeGreaterThan(0)
    const isInChange = this.coming.length > 0 || this.runs.some(({ isLeaving }) => isLeaving)
    const waits = this.runs.some(({ held, wanted }) => held === 0 && wanted > 0)
    if (!waits) this.turnedDown = false
    const unused = this.limit - total
    if (!isInChange && this.runs.some(({ held, claimed, wanted }) => held > 0 && wanted > claimed)) {
      expect(unused).toBe(this.turnedDown ? Math.min(unused, 1) : 0)
    }
    if (unused > this.coming.length && waits) {
      expect(this.coming.length > 0 || this.runs.some(({ mayAsk }) => mayAsk)).toBe(true)
    }
  }

  /** Fetches end, lanes change hands, and nobody has enough: answers with who had something in flight. */
  async turns(rounds: number): Promise<Set<Guest>> {
    const served = new Set<Guest>()
    for (let round = 0; round < rounds; round += 1) {
      while (this.coming.length > 0) this.arrive(0)
      for (const run of this.runs) if (run.claimed > 0) served.add(run)
      for (const run of [...this.runs]) run.end(run.claimed)
      await settle()
      this.look()
      // Whose turn is over, as the scheduler sees it: one of those that had theirs.
      const [holder] = this.runs.filter((run) => run.held > 0 && served.has(run))
      if (this.free === 0 && this.runs.some(({ mayAsk }) => mayAsk)) this.retire(holder)
      const waiting = this.runs.filter((run) => !served.has(run))
      this.seek([...waiting, ...this.runs].sort((a, b) => b.priority - a.priority))
      // The last ones to have had their turn are the last to have it again.
      this.runs.push(...this.runs.splice(0, 1))
    }
    return served
  }
}

export function budgetOf(maxInFlight: number, maxLanes = 4): FetchBudget {
  return new FetchBudget({ maxInFlight, maxLanes })
}

export const asking = (runs: Guest[]) => runs.map((run) => run.mayAsk)

export const claimed = (runs: FetchingRun[]) => runs.map((run) => run.claimed)

export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
