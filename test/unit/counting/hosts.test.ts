import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HostCounter } from '../../../src/counting/hosts.js'

/** Most first, of equal ones the one that came first. */
function naive(hosts: readonly string[]) {
  const counts = new Map<string, number>()
  for (const host of hosts) counts.set(host, (counts.get(host) ?? 0) + 1)
  return [...counts].map(([host, items]) => ({ host, items })).sort((a, b) => b.items - a.items)
}

describe('HostCounter', () => {
  it.each([10_000, 3, 0])('counts as one would by hand, where %i hosts are kept by name', (maxKept) => {
    const host = fc.integer({ min: 0, max: 12 }).map((number) => `h${number}.example`)
    fc.assert(
      fc.property(fc.array(host, { maxLength: 100 }), (hosts) => {
        const tally = new HostCounter(maxKept)
        hosts.forEach((one, index) => {
          tally.add(one, index)
        })
        expect(tally.top((index) => hosts[index]!)).toEqual(naive(hosts))
        expect(tally.size).toBe(new Set(hosts).size)
      }),
    )
  })

  it('names the first thousand, the one with the most items among them wherever it comes', () => {
    const tally = new HostCounter(100)
    const hosts = Array.from({ length: 5_000 }, (_, at) => `h${at}`)
    hosts.forEach((one, index) => {
      tally.add(one, index)
    })
    for (let index = 5_000; index < 5_010; index += 1) tally.add('h4999', index)
    const top = tally.top((index) => hosts[index] ?? null)
    expect(top).toHaveLength(1_000)
    expect(top.slice(0, 3)).toEqual([
      { host: 'h4999', items: 11 },
      { host: 'h0', items: 1 },
      { host: 'h1', items: 1 },
    ])
    expect(tally.size).toBe(5_000)
  })
})
