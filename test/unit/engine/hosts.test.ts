import { beforeEach, describe, expect, it } from 'vitest'
import { FIRST_REST_MS, OPENS_AT } from '../../../src/domain/circuit.js'
import { MAX_RETRY_AFTER_MS } from '../../../src/domain/retry.js'
import { type HostLimits, NO_HOST } from '../../../src/engine/host-gate.js'
import { HostSeat } from '../../../src/engine/host-seat.js'
import type { HostReport, HostUser } from '../../../src/engine/host-state.js'
import { Hosts, KEEP_MS, MAX_IDLE_HOSTS } from '../../../src/engine/hosts.js'
import { ManualClock } from '../../support/clock.js'
import { hostUser } from '../../support/hosts.js'

const A = 'a.example'
const OWN = 'own.example:8080'

let clock: ManualClock
let hosts: Hosts

beforeEach(() => {
  clock = new ManualClock()
  hosts = new Hosts({ clock, concurrency: 4, isOwn: (host) => host === OWN })
})

/** A run with items for one host, that starts what it may as soon as it is told. */
class Fetching {
  readonly user: HostUser
  readonly seat: HostSeat
  /** When each one under way was started. */
  readonly underway: number[] = []
  told = 0

  constructor(
    public waiting: number,
    user: Partial<HostUser> = {},
    readonly host = A,
    /** Whether it takes what it is offered. */
    public takes = true,
    asked: HostLimits | null = null,
  ) {
    this.user = hostUser(user)
    const onChanged = () => {
      this.told += 1
      this.pump()
    }
    this.seat = new HostSeat({ hosts, user: this.user, asked, onChanged })
    this.seat.want(host, waiting)
    this.pump()
  }

  get room(): number {
    return this.seat.room(this.host, clock.monotonicMs())
  }

  pump(): void {
    while (this.takes && this.waiting > 0 && this.room > 0) {
      this.seat.start(this.host, clock.monotonicMs())
      this.underway.push(clock.monotonicMs())
      this.waiting -= 1
      this.seat.want(this.host, this.waiting)
    }
  }

  end(count = 1, report: Partial<HostReport> = {}): void {
    for (const startedMs of this.underway.splice(0, count)) {
      this.seat.noteRequests(this.host, 1)
      this.seat.report(this.host, { ...ANSWERED, startedMs, ...report })
      this.seat.end(this.host, startedMs)
    }
    this.pump()
  }
}

const ANSWERED = { failed: false, verdict: 'UP', retryAfterMs: null, serviceMs: 10 } as const
const DOWN = { failed: true, verdict: 'DOWN' } as const
const ASKS = (retryAfterMs: number) => ({ failed: true, retryAfterMs })

/** Everybody has been told. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  await settle()
}

const underway = (...runs: Fetching[]) => runs.map((run) => run.underway.length)

describe('Hosts, how much is under way', () => {
  it('is limited over all runs, and has no limit where the host is the owner’s own', async () => {
    const [one, other] = [new Fetching(10), new Fetching(10)]
    await settle()
    expect(underway(one, other)).toEqual([4, 0])
    const own = new Fetching(1_000, {}, OWN)
    expect(own.underway).toHaveLength(1_000)
    expect([one.seat.mayWaitInLane(A), own.seat.mayWaitInLane(OWN)]).toEqual([false, true])
    expect([hosts.limitOf(A), hosts.limitOf(OWN)]).toEqual([4, null])
  })

  it('goes over to a run that comes, evenly, as what was under way ends', async () => {
    const [one, other] = [new Fetching(100), new Fetching(100)]
    for (const most of [1, 2, 2, 2]) {
      one.end()
      await settle()
      expect(underway(one, other)).toEqual([4 - most, most])
    }
  })

  it('is the higher priority’s first, without ending what is under way', async () => {
    const [one, higher] = [new Fetching(100), new Fetching(100, { priority: 1 })]
    expect(underway(one, higher)).toEqual([4, 0])
    for (let ended = 0; ended < 4; ended += 1) {
      one.end()
      await settle()
    }
    expect(underway(one, higher)).toEqual([0, 4])
    higher.waiting = 0
    higher.seat.want(A, 0)
    higher.end(4)
    await settle()
    expect(underway(one, higher)).toEqual([4, 0])
  })

  it('lets every one of many runs have its turn', async () => {
    const runs = Array.from({ length: 9 }, () => new Fetching(5))
    const served = runs.map(() => 0)
    for (let round = 0; round < 18; round += 1) {
      const at = runs.findIndex(
        (run) => run.underway.length > 0 && run.underway[0] === Math.min(...runs.flatMap((one) => one.underway)),
      )
      served[at]! += 1
      clock.advance(40)
      runs[at]!.end()
      await settle()
    }
    expect(served.every((times) => times > 0)).toBe(true)
    expect(underway(...runs).reduce((sum, count) => sum + count)).toBe(4)
  })

  it('is given back by who leaves, and wants nothing of who is closed', async () => {
    const [one, other] = [new Fetching(10), new Fetching(10)]
    one.seat.leave()
    await settle()
    expect(other.underway).toHaveLength(4)
    other.seat.close()
    other.end(4)
    expect(hosts.list(10)).toMatchObject([{ inFlight: 0, queued: 0 }])
  })

  it('knows nothing of what is not sent', () => {
    const { seat } = new Fetching(1, {}, NO_HOST)
    seat.report(NO_HOST, { ...ANSWERED, startedMs: 0 })
    seat.end(NO_HOST, 0)
    expect(hosts.list(10)).toEqual([])
  })
})

describe('Hosts, beside the limits of a batch', () => {
  it('keeps no place for what those do not let start', async () => {
    const slow = new Fetching(100, {}, A, true, { concurrency: 1, rate: null })
    const other = new Fetching(100)
    expect(underway(slow, other)).toEqual([1, 3])
    other.end(3)
    await settle()
    expect(underway(slow, other)).toEqual([1, 3])
  })

  it('is due when both let something start', () => {
    const run = new Fetching(10, {}, A, true, { concurrency: null, rate: 10 })
    expect(run.seat.dueMs(A, 0)).toBe(102)
    const other = new Fetching(10)
    expect(underway(run, other)).toEqual([1, 3])
    clock.advance(102)
    expect([run.room, run.seat.dueMs(A, 102)]).toEqual([0, null])
    other.end(1, ASKS(5_000))
    expect(run.seat.dueMs(A, 102)).toBe(5_102)
  })
})

describe('Hosts, limits that batches ask for', () => {
  const atMost = (concurrency: number) => ({ concurrency, rate: null })
  const everyTenth = { concurrency: null, rate: 10 }

  it('hold for all of them together, the lowest one first of all, and for nobody who asks for none', async () => {
    const four = new Fetching(100, {}, OWN, true, atMost(4))
    expect(underway(four)).toEqual([4])
    const two = new Fetching(3, {}, OWN, true, atMost(2))
    const free = new Fetching(50, {}, OWN)
    await settle()
    expect(underway(four, two, free)).toEqual([4, 0, 50])
    // Two together from now on, one each.
    four.end()
    four.end()
    await settle()
    expect(underway(four, two)).toEqual([2, 0])
    four.end()
    await settle()
    expect(underway(four, two)).toEqual([1, 1])
    two.end()
    await settle()
    two.end()
    await settle()
    expect([underway(four, two), two.waiting]).toEqual([[1, 1], 0])
    // With the end of the other one its limit is gone, too.
    two.end()
    await settle()
    expect(underway(four, two)).toEqual([4, 0])
  })

  it('hold beside the limit of the server', async () => {
    const [one, other] = [new Fetching(10, {}, A, true, atMost(3)), new Fetching(10)]
    await settle()
    expect(underway(one, other)).toEqual([3, 1])
    other.end()
    await settle()
    expect(underway(one, other)).toEqual([3, 1])
  })

  it('are each for those that ask for it, and all for who asks for several', async () => {
    const slow = new Fetching(10, {}, OWN, true, everyTenth)
    const wide = new Fetching(100, {}, OWN, true, atMost(8))
    const both = new Fetching(10, {}, OWN, true, { concurrency: 1, rate: 10 })
    await settle()
    // The lowest of the second kind is one, and what is under way by then ends.
    expect(underway(slow, wide, both)).toEqual([1, 8, 0])
    wide.end(8)
    await settle()
    expect(underway(slow, wide, both)).toEqual([1, 1, 0])
    expect(both.seat.dueMs(OWN, 0)).toBe(102)
    for (const run of [wide, slow]) {
      run.waiting = 0
      run.seat.want(OWN, 0)
    }
    wide.end()
    await pass(102)
    both.pump()
    expect(both.underway).toHaveLength(1)
    await pass(102)
    expect([both.room, both.seat.dueMs(OWN, clock.monotonicMs())]).toEqual([0, null])
    both.end()
    expect(both.underway).toHaveLength(1)
  })

  it('hold nobody up while who asks for them is held', async () => {
    const one = new Fetching(10, {}, OWN, true, atMost(1))
    const other = new Fetching(10, {}, OWN, true, atMost(5))
    await settle()
    expect(underway(one, other)).toEqual([1, 0])
    one.takes = false
    expect(one.seat.hold()).toEqual([OWN])
    one.end()
    one.seat.want(OWN, 7)
    await settle()
    expect([underway(one, other), one.room]).toEqual([[0, 5], 0])
    one.takes = true
    expect(one.seat.release()).toEqual([OWN])
    other.end(5)
    await settle()
    expect(underway(one, other)).toEqual([0, 1])
    // Its turn is over.
    await pass(200)
    other.end()
    await settle()
    expect(underway(one, other)).toEqual([1, 0])
  })

  it('are not forgotten before their time, however many hosts there are', async () => {
    const rare = { concurrency: null, rate: 0.1 }
    const visit = (host: string) => {
      const run = new Fetching(1, {}, host, true, rare)
      const started = run.underway.length
      run.end()
      run.seat.leave()
      return started
    }
    expect(visit('first.example')).toBe(1)
    for (let host = 0; host < MAX_IDLE_HOSTS + 10; host += 1) visit(`${host}.example`)
    expect(visit('first.example')).toBe(0)
    await pass(11_000)
    expect(visit('first.example')).toBe(1)
  })

  it('space the requests of all of them evenly, by turns, over the end of one', async () => {
    const [one, other] = [new Fetching(100, {}, OWN, true, everyTenth), new Fetching(2, {}, OWN, true, everyTenth)]
    const starts: number[] = []
    for (let ms = 0; ms < 1_200; ms += 1) {
      const before = one.underway.length + other.underway.length
      one.pump()
      other.pump()
      if (one.underway.length + other.underway.length > before) starts.push(ms)
      await pass(1)
    }
    expect(other.underway).toHaveLength(2)
    expect(starts.length).toBeGreaterThanOrEqual(10)
    starts.slice(1).forEach((ms, at) => {
      expect(ms - starts[at]!).toBeGreaterThanOrEqual(90)
    })
    // Who comes when they have gone does not begin beside what they have just sent.
    one.waiting = 0
    for (const run of [one, other]) {
      run.seat.want(OWN, 0)
      run.end(run.underway.length)
    }
    const last = new Fetching(1, {}, OWN, true, everyTenth)
    expect(last.underway).toEqual([])
    expect(last.seat.dueMs(OWN, clock.monotonicMs())).toBeGreaterThan(clock.monotonicMs())
    await pass(200)
    last.pump()
    expect(last.underway).toHaveLength(1)
  })
})

describe('Hosts, places that are kept', () => {
  it('are kept for a run that gets its lane soon, one at a time', async () => {
    const holding = new Fetching(100)
    const inLine = new Fetching(100, { holdsLane: false }, A, false)
    holding.end(4)
    await settle()
    expect(underway(holding, inLine)).toEqual([3, 0])
    expect(inLine.room).toBe(1)
    inLine.takes = true
    inLine.pump()
    expect(inLine.underway).toHaveLength(1)
  })

  it('are kept no longer than a second for who does not take them, and then for the others', async () => {
    const lame = new Fetching(100, {}, A, false)
    const other = new Fetching(100)
    await settle()
    expect(underway(other)).toEqual([2])
    await pass(KEEP_MS)
    expect(underway(other)).toEqual([4])
    // It has its turn again after that.
    await pass(KEEP_MS)
    other.end(4)
    await settle()
    lame.takes = true
    lame.pump()
    expect(lame.underway.length).toBeGreaterThan(0)
    hosts.stop()
    expect(clock.nextDueMs).toBeNull()
  })

  it('are kept for nobody beside a run that has all lanes to itself', async () => {
    const idle = new Fetching(100, { priority: 5 }, A, false)
    const alone = new Fetching(100)
    expect(alone.underway).toHaveLength(0)
    hosts.isolate(alone.user.key)
    await settle()
    expect(alone.underway).toHaveLength(4)
    hosts.isolate(null)
    alone.end(4)
    await settle()
    expect([alone.underway.length, idle.room]).toEqual([0, 4])
  })

  it('ring no timer where nobody waits', async () => {
    new Fetching(100)
    await settle()
    expect(clock.nextDueMs).toBeNull()
  })
})

describe('Hosts, Retry-After', () => {
  it('holds up every run until then, of an owner’s host too', async () => {
    for (const host of [A, OWN]) {
      const [one, other] = [new Fetching(1, {}, host), new Fetching(1, {}, host, false)]
      const untilMs = clock.monotonicMs() + 5_000
      one.end(1, ASKS(5_000))
      await settle()
      expect([other.told, other.room, other.seat.dueMs(host, clock.monotonicMs())]).toEqual([1, 0, untilMs])
      const [status] = hosts.list(10).filter((one) => one.host === host)
      expect(status).toMatchObject({ throttledUntil: new Date(clock.now().getTime() + 5_000), restingUntil: null })
      await pass(4_999)
      expect(other.room).toBe(0)
      await pass(1)
      expect([other.room, other.seat.dueMs(host, clock.monotonicMs())]).not.toContain(0)
      expect(hosts.list(10).every(({ throttledUntil }) => throttledUntil === null)).toBe(true)
    }
  })

  it('keeps to the longest of several, and to an hour of what asks for years', () => {
    const one = new Fetching(4)
    one.end(1, ASKS(9_000))
    one.end(1, ASKS(2_000))
    one.end(1, ASKS(0))
    expect(one.seat.dueMs(A, clock.monotonicMs())).toBe(9_000)
    one.waiting = 1
    one.seat.want(A, 1)
    one.end(1, ASKS(10 * 365 * 86_400_000))
    expect(one.seat.dueMs(A, clock.monotonicMs())).toBe(MAX_RETRY_AFTER_MS)
  })

  it('is of one host alone', () => {
    const [one, other] = [new Fetching(1), new Fetching(1, {}, 'b.example', false)]
    one.end(1, ASKS(5_000))
    expect(other.room).toBe(4)
  })
})

describe('Hosts that keep failing', () => {
  async function failing(): Promise<Fetching> {
    const run = new Fetching(1_000)
    for (let failed = 0; failed < OPENS_AT; failed += 4) run.end(4, DOWN)
    await settle()
    return run
  }

  it('are left alone by all, and then sent one request', async () => {
    const run = await failing()
    const other = new Fetching(100)
    expect(underway(run, other)).toEqual([0, 0])
    expect(hosts.list(1)[0]).toMatchObject({
      failures: OPENS_AT,
      requests: OPENS_AT,
      restingUntil: new Date(clock.now().getTime() + FIRST_REST_MS),
      throttledUntil: null,
    })
    await pass(FIRST_REST_MS)
    run.pump()
    other.pump()
    expect(underway(run, other)).toEqual([1, 0])
    run.end(1)
    await settle()
    expect(underway(run, other).reduce((sum, count) => sum + count)).toBe(4)
    expect(hosts.list(1)[0]?.restingUntil).toBeNull()
  })

  it('are not left to a run that does not ask them again', async () => {
    const run = await failing()
    const lame = new Fetching(100, { priority: 1 }, A, false)
    await pass(FIRST_REST_MS)
    run.pump()
    expect([run.underway.length, lame.room]).toEqual([0, 1])
    await pass(KEEP_MS)
    expect(run.underway).toHaveLength(1)
  })

  it('are left alone for longer where that fails as well', async () => {
    const run = await failing()
    await pass(FIRST_REST_MS)
    run.pump()
    run.end(1, DOWN)
    await settle()
    expect(run.seat.dueMs(A, clock.monotonicMs())).toBe(FIRST_REST_MS + 2 * FIRST_REST_MS)
  })

  it('have a thousand items that wait for them come to their end in less than a minute', async () => {
    const run = await failing()
    while (run.waiting > 0 || run.underway.length > 0) {
      const dueMs = run.seat.dueMs(A, clock.monotonicMs())
      if (dueMs !== null) await pass(dueMs - clock.monotonicMs())
      run.pump()
      await pass(1)
      run.end(4, DOWN)
    }
    expect(clock.monotonicMs()).toBeLessThan(60_000)
  })

  it('are asked on where they are the owner’s own', () => {
    const run = new Fetching(1_000, {}, OWN)
    run.end(1_000, DOWN)
    expect(run.seat.dueMs(OWN, clock.monotonicMs())).toBeNull()
    expect(hosts.list(1)[0]).toMatchObject({ failures: 1_000, restingUntil: null })
  })
})

describe('Hosts.list', () => {
  it('has those with most in flight first, then those that most waits for, then the last used', () => {
    for (const host of ['used', 'used-last']) new Fetching(1, {}, host).end()
    new Fetching(9, {}, 'waiting', false)
    new Fetching(1, {}, 'busy')
    new Fetching(3, {}, 'busiest')
    expect(hosts.list(10).map(({ host, inFlight, queued }) => [host, inFlight, queued])).toEqual([
      ['busiest', 3, 0],
      ['busy', 1, 0],
      ['waiting', 0, 9],
      ['used-last', 0, 0],
      ['used', 0, 0],
    ])
    expect(hosts.list(2)).toHaveLength(2)
    expect(hosts.list(10).at(-1)?.p95Ms()).toBe(10)
    expect(hosts.list(1)[0]?.p95Ms()).toBeNull()
  })

  it('tells of what waits in a lane as queued', () => {
    new Fetching(100, { running: 30 }, OWN)
    expect(hosts.list(1)[0]).toMatchObject({ inFlight: 30, queued: 70 })
  })

  it('forgets what nobody has to do with any more but the last ten thousand, and first what asks for nothing', async () => {
    new Fetching(1, {}, 'in-use')
    new Fetching(1, {}, 'asking').end(1, ASKS(60_000))
    for (let at = 0; at < 2 * MAX_IDLE_HOSTS; at += 1) new Fetching(1, {}, `${at}.example`).end()
    const kept = hosts.list(Number.POSITIVE_INFINITY).map(({ host }) => host)
    expect(kept.length).toBeLessThanOrEqual(MAX_IDLE_HOSTS + 1_001)
    expect(kept).toEqual(expect.arrayContaining(['in-use', 'asking', `${2 * MAX_IDLE_HOSTS - 1}.example`]))
    expect(kept).not.toContain('0.example')
    // Were all of them to ask, the first ones are forgotten all the same.
    for (let at = 0; at < 2 * MAX_IDLE_HOSTS; at += 1) new Fetching(1, {}, `asking-${at}`).end(1, ASKS(60_000))
    expect(hosts.list(Number.POSITIVE_INFINITY).length).toBeLessThanOrEqual(MAX_IDLE_HOSTS + 1_001)
  })
})
