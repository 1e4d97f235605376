import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import {
  judgeEnd,
  MAX_AGE_MS,
  type NotedEnd,
  quietMs,
  type Suspicion,
  type Trial,
  type Verdict,
  windowMs,
} from '../../../src/domain/strikes.js'

const PLACE = { run: toRunKey('a'.repeat(32)), stage: 0 }
const NOW = 10_000_000

function suspicion(first: number, strikes: 1 | 2 = 1, ageMs = 0): Suspicion {
  return { ...PLACE, first, count: 1, strikes, ageMs }
}

/** In service since so long before the end. */
function trial(index: number, ageMs: number): Trial {
  return { ...PLACE, index, attempt: 1, lane: 'thread-1', startedAt: NOW - ageMs }
}

const judge = (end: Partial<NotedEnd>) =>
  judgeEnd(
    {
      wasLeaving: false,
      lastAliveAt: NOW,
      suspicions: [],
      culprits: [],
      granted: [],
      trials: [],
      unexplained: [],
      ...end,
    },
    NOW,
  )

describe('an end of the server', () => {
  it('makes suspects of all that was granted', () => {
    const { suspicions, culprits, unexplained } = judge({ granted: [{ ...PLACE, first: 5, count: 20 }] })
    expect(suspicions).toEqual([{ ...suspicion(5), count: 20 }])
    expect([culprits, unexplained]).toEqual([[], [NOW]])
  })

  it('is the second strike of a suspect in service, and says how long it had been', () => {
    expect(judge({ suspicions: [suspicion(5)], trials: [trial(5, 30)] }).suspicions.at(-1)).toEqual(suspicion(5, 2, 30))
  })

  it('is no second strike of what had been in service for long', () => {
    const { suspicions } = judge({ suspicions: [suspicion(5)], trials: [trial(5, MAX_AGE_MS + 1)] })
    expect(suspicions).toEqual([suspicion(5)])
  })

  it('clears those that were not in service', () => {
    expect(judge({ suspicions: [suspicion(5), suspicion(6, 2, 30)] }).suspicions).toEqual([])
  })

  it('clears nobody where it may be the fault of a suspect', () => {
    const { suspicions } = judge({
      suspicions: [suspicion(5), suspicion(6, 2, 30), suspicion(7)],
      trials: [trial(5, 10)],
    })
    expect(suspicions).toEqual(expect.arrayContaining([suspicion(6, 2, 30), suspicion(7)]))
    expect(suspicions.at(-1)).toEqual(suspicion(5, 2, 10))
  })

  it('finds the one that is tried and ends the server as it did before', () => {
    const { culprits, suspicions, isExplained, unexplained } = judge({
      suspicions: [suspicion(5, 2, 30), suspicion(6, 2, 30)],
      trials: [trial(5, 40)],
      granted: [{ ...PLACE, first: 100, count: 5 }],
      unexplained: [NOW - 80, NOW - 50, NOW - 20],
    })
    expect(culprits).toEqual([{ ...trial(5, 40), serviceMs: 40 }])
    // It explains the ends before too, and nobody else is to blame for this one.
    expect([isExplained, unexplained]).toEqual([true, [NOW - 80]])
    expect(suspicions).toContainEqual(suspicion(6, 2, 30))
    expect(suspicions).not.toContainEqual(expect.objectContaining({ first: 100 }))
  })

  it.each([
    ['later', 100, windowMs(100) + 1],
    ['earlier', 28_000, 5_000],
  ])('does not find one that it meets much %s than before, and tries it again', (_when, earlierMs, ageMs) => {
    const { culprits, suspicions } = judge({ suspicions: [suspicion(5, 2, earlierMs)], trials: [trial(5, ageMs)] })
    expect(culprits).toEqual([])
    expect(suspicions.at(-1)).toEqual(suspicion(5, 2, ageMs))
  })

  it('is no strike of one with two that had been in service for long', () => {
    const { culprits, suspicions } = judge({
      suspicions: [suspicion(5, 2, 100)],
      trials: [trial(5, MAX_AGE_MS + 1)],
    })
    expect([culprits, suspicions]).toEqual([[], [suspicion(5)]])
  })

  it('is none where the server was leaving', () => {
    const suspicions = [suspicion(5, 2, 30)]
    const left = judge({
      wasLeaving: true,
      suspicions,
      trials: [trial(5, 30)],
      granted: [{ ...PLACE, first: 1, count: 1 }],
    })
    expect(left).toEqual({ suspicions, culprits: [], unexplained: [], isExplained: false })
  })

  it('is forgotten after an hour', () => {
    expect(judge({ unexplained: [NOW - 3_600_001, NOW - 5] }).unexplained).toEqual([NOW - 5, NOW])
  })

  it('keeps those found before, until they are written down', () => {
    const culprit = { ...trial(1, 30), serviceMs: 30 }
    expect(judge({ culprits: [culprit] }).culprits).toEqual([culprit])
  })
})

/** From 0 to 1, the same ones each time. */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

interface Scenario {
  /** Of each task. */
  serviceMs: number
  /** In service at once where there is no suspect. */
  width: number
  /** How long a server lives. */
  lifeMs(): number
}

/** A server after another over tasks without end, each of them innocent: how many are found to be culprits in so many ends. */
function condemned(ends: number, { serviceMs, width, lifeMs }: Scenario): number {
  let verdict: Verdict = { suspicions: [], culprits: [], unexplained: [], isExplained: false }
  let startedAt = NOW
  let nextIndex = 0
  for (let end = 0; end < ends; end += 1) {
    const endedAt = startedAt + lifeMs()
    const { granted, trials, suspicions } = inServiceAt(endedAt, { startedAt, serviceMs, width, verdict, nextIndex })
    nextIndex += width

    verdict = judgeEnd({ ...verdict, wasLeaving: false, lastAliveAt: endedAt, granted, trials, suspicions }, endedAt)
    startedAt = endedAt + 1_000
  }
  return verdict.culprits.length
}

/** As the quarantine does it: four with one strike together and first of all, one with two alone and after its quiet time. */
function inServiceAt(
  endedAt: number,
  life: { startedAt: number; serviceMs: number; width: number; verdict: Verdict; nextIndex: number },
): Pick<NotedEnd, 'granted' | 'trials' | 'suspicions'> {
  const { startedAt, serviceMs, width, verdict, nextIndex } = life
  const trials: Trial[] = []
  const suspicions: Suspicion[] = []
  // What is said last of a task counts.
  const known = new Map<number, Pick<Suspicion, 'strikes' | 'ageMs'>>()
  for (const { first, count, strikes, ageMs } of verdict.suspicions) {
    for (let index = first; index < first + count; index += 1) known.set(index, { strikes, ageMs })
  }
  const indexes = (wanted: number) =>
    [...known].flatMap(([index, { strikes, ageMs }]) => (strikes === wanted ? [{ index, ageMs }] : []))
  const note = (index: number, at: number, { strikes, ageMs }: Pick<Suspicion, 'strikes' | 'ageMs'>) => {
    // Those that have ended are suspects no more.
    if (at + serviceMs <= endedAt) return
    suspicions.push(suspicion(index, strikes, ageMs))
    if (at <= endedAt) trials.push({ ...PLACE, index, attempt: 1, lane: 'thread-1', startedAt: at })
  }
  const once = indexes(1)
  for (const [at, { index }] of once.entries()) {
    note(index, startedAt + Math.floor(at / 4) * serviceMs, { strikes: 1, ageMs: 0 })
  }
  let freeAt = 0
  for (const { index, ageMs } of indexes(2)) {
    const at = Math.max(startedAt + quietMs(ageMs, verdict), freeAt)
    note(index, at, { strikes: 2, ageMs })
    freeAt = at + Math.min(serviceMs, windowMs(ageMs))
  }
  // Others have the lanes once these have begun.
  const others = startedAt + Math.floor(once.length / 4) * serviceMs <= endedAt ? width : 0
  return { granted: [{ ...PLACE, first: nextIndex, count: others }], trials, suspicions }
}

const ROUNDS = 40

describe('a hundred kills from outside', () => {
  it.each([
    ['of 2 ms', 2, 0],
    ['of 50 ms', 50, 0],
    ['of a quarter of a second', 250, 0.1],
    ['of 2 s', 2_000, 0.25],
    ['of a minute', 60_000, 0.3],
    ['of an hour', 3_600_000, 0.2],
  ])('seldom find a culprit among tasks %s, however often they come', (_what, serviceMs, most) => {
    const random = randomNumbers(serviceMs)
    for (const meanMs of [300, 1_000, 3_000, 10_000, 30_000, 120_000, 600_000]) {
      let found = 0
      const lifeMs = () => -Math.log(1 - random()) * meanMs
      for (let round = 0; round < ROUNDS; round += 1) found += condemned(100, { serviceMs, width: 8, lifeMs })
      expect(found / ROUNDS, `a kill every ${meanMs} ms`).toBeLessThanOrEqual(most)
    }
  })

  it('find none where they come at equal distances', () => {
    for (const everyMs of [200, 1_000, 7_000, 60_000]) {
      for (const serviceMs of [50, 1_500, 20_000])
        expect(condemned(100, { serviceMs, width: 8, lifeMs: () => everyMs })).toBe(0)
    }
  })
})
