import { describe, expect, it } from 'vitest'
import type { RunKey } from '../../../src/domain/ids.js'
import { RunCoalescer } from '../../../src/graphql/coalescer.js'
import { ManualClock } from '../../support/clock.js'

const [A, B] = ['a', 'b'] as RunKey[]

function coalescer() {
  const clock = new ManualClock()
  return { clock, changed: new RunCoalescer(clock, 2) }
}

describe('RunCoalescer', () => {
  it('tells a new run at once, and each run once for all its changes', () => {
    const { changed } = coalescer()
    changed.note(new Set([A!, B!]))
    changed.note(new Set([A!]))
    expect([changed.take(), changed.take(), changed.take()]).toEqual([A, B, null])
    expect(changed.waitMs()).toBeNull()
  })

  it('makes a run wait that was told, and no other', () => {
    const { clock, changed } = coalescer()
    changed.mark(A!, 1)
    clock.advance(100)
    changed.note(new Set([A!, B!]))
    expect([changed.take(), changed.take()]).toEqual([B, null])
    expect(changed.waitMs()).toBe(400)
    clock.advance(399)
    expect(changed.take()).toBeNull()
    clock.advance(1)
    expect(changed.take()).toBe(A)
  })

  it('knows which states were told', () => {
    const { changed } = coalescer()
    expect(changed.isNews(A!, 0)).toBe(true)
    changed.mark(A!, 5)
    expect([4, 5, 6].map((sequence) => changed.isNews(A!, sequence))).toEqual([false, false, true])
    expect(changed.isNews(B!, 5)).toBe(true)
  })

  it('forgets the runs told longest ago, so that it does not grow for ever', () => {
    const { changed } = coalescer()
    changed.mark(A!, 5)
    for (let other = 0; other < 9_999; other += 1) changed.mark(String(other) as RunKey, 1)
    expect(changed.isNews(A!, 5)).toBe(false)
    changed.mark('one more' as RunKey, 1)
    expect(changed.isNews(A!, 5)).toBe(true)
  })
})
