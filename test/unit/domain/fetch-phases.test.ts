import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { phasesAt } from '../../../src/domain/fetch-column.js'
import {
  byPhase,
  mergePhases,
  momentsOf,
  noPhases,
  PHASES,
  PhaseTimes,
  unpackPhases,
} from '../../../src/domain/fetch-phases.js'
import { EXACT_LIMIT } from '../../../src/domain/timing.js'
import { fetchColumn } from '../../support/outputs.js'
import { fetchDetail } from '../../support/store.js'

const time = fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }))
const phases = fc.record({ dnsMs: time, connectMs: time, tlsMs: time, firstByteMs: time, downloadMs: time })

describe('phasesAt', () => {
  it('has what the tasks at these places have, phase by phase', () => {
    fc.assert(
      fc.property(fc.array(fc.option(phases), { maxLength: 50 }), fc.infiniteStream(fc.boolean()), (tasks, chosen) => {
        const places = [...tasks.keys()].filter(() => chosen.next().value)
        const column = fetchColumn(tasks.map((task) => task && { ...fetchDetail, ...task }))
        const found = phasesAt(column, Uint32Array.from(places))
        for (const phase of PHASES)
          expect([...found[phase]]).toEqual(places.flatMap((place) => tasks[place]?.[`${phase}Ms`] ?? []))
      }),
    )
  })
})

describe('mergePhases', () => {
  it('adds up phase by phase', () => {
    const columns = byPhase((phase) => Float64Array.of(PHASES.indexOf(phase), 1))
    const merged = mergePhases(noPhases(), mergePhases(momentsOf(columns), momentsOf(columns)))
    expect(merged.download).toMatchObject({ count: 4, sum: 10, min: 1, max: 4 })
  })
})

describe('packed phases', () => {
  it('come back as they were, exact where they are few', () => {
    const gathered = new PhaseTimes()
    const few = byPhase((phase) => Float64Array.from({ length: PHASES.indexOf(phase) }, (_, at) => 0.1 * at))
    gathered.add(few)
    const last = byPhase(() => Float64Array.of(77.7))
    const all = byPhase((phase) => Float64Array.of(...few[phase], 77.7))
    const found = unpackPhases(gathered.packedWith([last]), momentsOf(all))
    for (const phase of PHASES) {
      const shares = [0, 0.3, 0.5, 1]
      const sorted = all[phase].sort()
      expect(found[phase].exact).toBe(true)
      expect(shares.map((p) => found[phase].percentile(p))).toEqual(
        shares.map((p) => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]),
      )
    }
    // What is gathered stays as it is.
    expect(gathered.distributions().dns.moments.count).toBe(0)
  })

  it('are a sketch where they are many, and know nothing of other bytes', () => {
    const gathered = new PhaseTimes()
    const many = byPhase((phase) =>
      phase === 'download' ? Float64Array.from({ length: EXACT_LIMIT + 1 }, (_, at) => at) : Float64Array.of(2),
    )
    gathered.add(many)
    const bytes = gathered.packedWith([])
    expect(bytes.length).toBeLessThan(10_000)
    const { download, tls } = unpackPhases(bytes, momentsOf(many))
    expect([download.exact, tls.exact, tls.percentile(0.5)]).toEqual([false, true, 2])
    expect(Math.abs(download.percentile(0.5) / (EXACT_LIMIT / 2) - 1)).toBeLessThanOrEqual(0.0101)
    expect(() => unpackPhases(Uint8Array.of(9, 0), noPhases())).toThrow('phases of format 9')
  })
})
