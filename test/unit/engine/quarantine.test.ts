import { describe, expect, it } from 'vitest'
import { windowMs } from '../../../src/domain/strikes.js'
import { Quarantine, type Suspect } from '../../../src/engine/quarantine.js'

const ONCE: Suspect = { strikes: 1, ageMs: 0 }
const TWICE: Suspect = { strikes: 2, ageMs: 100 }
const START_MS = 1_000
const WINDOW_MS = windowMs(TWICE.ageMs)
const QUIET_MS = 6_000
const create = (earlier: { unexplained?: number[]; isExplained?: boolean } = {}) =>
  new Quarantine(START_MS, { unexplained: [], isExplained: false, ...earlier })

describe('the quarantine', () => {
  it('lets a few with one strike be in service together, at once', () => {
    const quarantine = create()
    expect(quarantine.quietFromMs(ONCE)).toBeLessThan(START_MS)
    for (const name of ['a', 'b', 'c', 'd']) {
      expect(quarantine.blockedUntilMs(ONCE, START_MS)).toBeNull()
      quarantine.putInService(name, ONCE, START_MS)
    }
    expect(quarantine.blockedUntilMs(ONCE, START_MS)).toBeGreaterThan(START_MS)
    quarantine.takeOut('b')
    expect(quarantine.blockedUntilMs(ONCE, START_MS)).toBeNull()
  })

  it('does not wait for those that are in service for longer than it takes to end the server', () => {
    const quarantine = create()
    for (const name of ['a', 'b', 'c', 'd']) quarantine.putInService(name, ONCE, START_MS)
    expect(quarantine.blockedUntilMs(ONCE, START_MS + windowMs(0) - 1)).not.toBeNull()
    expect(quarantine.blockedUntilMs(ONCE, START_MS + windowMs(0))).toBeNull()
  })

  it('tries one with two strikes apart from all others', () => {
    const quarantine = create()
    quarantine.putInService('a', ONCE, START_MS)
    expect(quarantine.blockedUntilMs(TWICE, START_MS)).not.toBeNull()
    quarantine.takeOut('a')
    expect(quarantine.blockedUntilMs(TWICE, START_MS)).toBeNull()
    quarantine.putInService('b', TWICE, START_MS)
    expect(quarantine.blockedUntilMs(ONCE, START_MS)).not.toBeNull()
    expect(quarantine.blockedUntilMs(TWICE, START_MS)).not.toBeNull()
    // Its window is over: it is not what ends the server.
    expect(quarantine.blockedUntilMs(ONCE, START_MS + WINDOW_MS)).toBeNull()
  })

  it('tries when the server has lived quietly', () => {
    expect(create().quietFromMs(TWICE)).toBe(START_MS + QUIET_MS)
  })

  it('waits longer where servers have ended lately without a suspect, and shorter where the last end has its cause', () => {
    const quiet = (earlier: Parameters<typeof create>[0]) => create(earlier).quietFromMs(TWICE) - START_MS
    expect(quiet({ unexplained: [1] })).toBe(QUIET_MS)
    expect(quiet({ unexplained: [1, 2, 3] })).toBe(QUIET_MS)
    expect(quiet({ unexplained: [1, 2, 3, 4, 5, 6] })).toBe(1.5 * QUIET_MS)
    expect(quiet({ unexplained: Array.from({ length: 90 }, (_, at) => at) })).toBe(6 * QUIET_MS)
    expect(quiet({ unexplained: [1, 2, 3], isExplained: true })).toBe(WINDOW_MS)
  })

  it('knows whether one was in service', () => {
    const quarantine = create()
    quarantine.putInService('a', ONCE, START_MS)
    expect([quarantine.takeOut('a'), quarantine.takeOut('a')]).toEqual([true, false])
  })
})
