import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toRunKey } from '../../../src/domain/ids.js'
import { line, readNotes, toStretches } from '../../../src/domain/notes.js'
import type { Culprit, Place, Stretch, Suspicion, Trial } from '../../../src/domain/strikes.js'

const whole = fc.nat({ max: 2_000_000_000_000 })
const run = fc.stringMatching(/^[0-9a-f]{32}$/).map(toRunKey)
const place: fc.Arbitrary<Place> = fc.record({ run, stage: fc.nat({ max: 9 }) })
const stretch: fc.Arbitrary<Stretch> = fc.record({ first: fc.nat(), count: fc.integer({ min: 1, max: 5_000 }) })
const trial: fc.Arbitrary<Trial> = fc
  .tuple(
    place,
    fc.record({ index: fc.nat(), attempt: fc.nat(), startedAt: whole, lane: fc.constantFrom('thread-1', 'process-2') }),
  )
  .map(([where, rest]) => ({ ...where, ...rest }))
const suspicion: fc.Arbitrary<Suspicion> = fc
  .tuple(place, stretch, fc.record({ strikes: fc.constantFrom(1 as const, 2 as const), ageMs: whole }))
  .map(([where, which, rest]) => ({ ...where, ...which, ...rest }))
const culprit: fc.Arbitrary<Culprit> = fc.tuple(trial, whole).map(([one, serviceMs]) => ({ ...one, serviceMs }))

const noted = fc.record({
  bornAt: whole,
  suspicions: fc.array(suspicion),
  culprits: fc.array(culprit),
  unexplained: fc.array(whole),
  lanes: fc.array(fc.record({ place, grants: fc.array(fc.array(stretch, { minLength: 1, maxLength: 5 })) })),
  trials: fc.uniqueArray(trial, { selector: ({ run, stage, index }) => `${run} ${stage} ${index}` }),
})

function linesOf({
  bornAt,
  suspicions,
  culprits,
  unexplained,
  lanes,
  trials,
}: typeof noted extends fc.Arbitrary<infer T> ? T : never) {
  return [
    line.head(bornAt),
    ...unexplained.map(line.unexplained),
    ...culprits.map(line.culprit),
    ...suspicions.map(line.suspicion),
    ...lanes.flatMap(({ place, grants }, at) => [
      line.lane(at, place),
      ...grants.map((grant) => line.grant(at, grant)),
    ]),
    ...trials.map(line.trial),
  ]
}

describe('the notes', () => {
  it('say what was written to them', () => {
    fc.assert(
      fc.property(noted, (what) => {
        const { end, isDamaged } = readNotes(linesOf(what).join(''))
        const { suspicions, culprits, unexplained, lanes, trials } = what
        const granted = lanes.flatMap(({ place, grants }) => grants.flat().map((one) => ({ ...place, ...one })))
        expect(isDamaged).toBe(false)
        expect(end).toEqual({
          wasLeaving: false,
          lastAliveAt: Math.max(what.bornAt, ...trials.map(({ startedAt }) => startedAt)),
          suspicions,
          culprits,
          unexplained,
          granted,
          trials,
        })
      }),
    )
  })

  it('say of what was cut off anywhere what its whole lines say', () => {
    fc.assert(
      fc.property(noted, fc.nat(), (what, at) => {
        const text = linesOf(what).join('')
        const cut = text.slice(0, at % (text.length + 1))
        const { end, isDamaged } = readNotes(cut)
        expect(isDamaged).toBe(false)
        expect(end).toEqual(readNotes(cut.slice(0, cut.lastIndexOf('\n') + 1)).end)
      }),
    )
  })

  it.each([
    'nonsense',
    'X 1',
    'A',
    'A -1',
    'A 1.5',
    'Q 1',
    'U x',
    'S short 0 1 0 0 1',
    `S ${'a'.repeat(32)} 0 3 0 0 1`,
    'G 7 1',
    'L 1',
    `T ${'a'.repeat(32)} 0 1 1 5`,
    `C ${'a'.repeat(32)} 0 1 1 5 thread-1`,
    `E ${'a'.repeat(32)} 0`,
  ])('tell where they are damaged, and keep what was before: %s', (damage) => {
    const { end, isDamaged } = readNotes(`${line.head(5)}${line.unexplained(3)}${damage}\n${line.unexplained(4)}`)
    expect(isDamaged).toBe(true)
    expect(end).toMatchObject({ lastAliveAt: 5, unexplained: [3] })
  })

  it('are none of another version', () => {
    expect(readNotes('heddle-grants 2\nA 5\n')).toMatchObject({ isDamaged: true, end: { lastAliveAt: 0 } })
  })

  it('know what is in service no more, and that the server was leaving', () => {
    const one: Trial = {
      run: toRunKey('a'.repeat(32)),
      stage: 0,
      index: 7,
      attempt: 1,
      lane: 'thread-1',
      startedAt: 10,
    }
    const { end } = readNotes(
      [
        line.head(1),
        line.trial(one),
        line.trial({ ...one, index: 8 }),
        line.trialEnd(one),
        line.alive(60),
        line.leaving(),
      ].join(''),
    )
    expect(end).toMatchObject({ wasLeaving: true, lastAliveAt: 60, trials: [{ index: 8 }] })
  })
})

describe('toStretches', () => {
  it('keeps the indexes and their order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: 100 })), (indexes) => {
        const back = toStretches(indexes).flatMap(({ first, count }) =>
          Array.from({ length: count }, (_, at) => first + at),
        )
        expect(back).toEqual(indexes)
      }),
    )
    expect(toStretches([3, 4, 5, 9])).toEqual([
      { first: 3, count: 3 },
      { first: 9, count: 1 },
    ])
  })
})
