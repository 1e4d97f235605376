import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TaskErrorCode } from '../../../src/domain/errors.js'
import { HostTallies, type HostTally, MAX_KEPT_HOSTS, refusedOf, tallyHosts } from '../../../src/domain/refusals.js'
import { Outcome } from '../../../src/domain/results.js'
import { columnsOf, type ReportedTask } from '../../support/engine-parts.js'
import { fetchDetail } from '../../support/store.js'

/** An attempt at a host; a failed one where it says how. */
interface Told extends Partial<ReportedTask> {
  host?: string
  code?: TaskErrorCode
  status?: number
}

function attempt({ host = 'a', code, status = 200, ...rest }: Told = {}): ReportedTask {
  const fetch = { ...fetchDetail, host, status }
  return { index: 0, fetch, ...(code && { error: { code, message: '', retryable: true } }), ...rest }
}

const tallyOf = (...told: Told[]) => tallyHosts(columnsOf(told.map(attempt)), 0)

describe('tallyHosts', () => {
  it('counts attempts by host, and why they were refused', () => {
    expect(
      tallyOf(
        {},
        { code: 'HTTP_STATUS', status: 429, retryAfterMs: 2_000 },
        { host: 'b:81' },
        { code: 'HTTP_STATUS', status: 429 },
        { code: 'HTTP_STATUS', status: 503, retryAfterMs: 500 },
        { host: 'b:81', code: 'CONNECTION_REFUSED' },
        { host: 'b:81', code: 'CONNECTION_RESET' },
      ),
    ).toEqual([
      { stage: 0, host: 'a', attempts: 4, refused: { HTTP_429: 2, HTTP_503: 1 }, maxRetryAfterMs: 2_000 },
      {
        stage: 0,
        host: 'b:81',
        attempts: 3,
        refused: { CONNECTION_REFUSED: 1, CONNECTION_RESET: 1 },
        maxRetryAfterMs: null,
      },
    ])
  })

  it('takes a Retry-After for a refusal whatever the status, and no other failure', () => {
    const [tally] = tallyOf(
      { code: 'HTTP_STATUS', status: 500, retryAfterMs: 1_000 },
      { code: 'HTTP_STATUS', status: 500 },
      { code: 'HTTP_STATUS', status: 404 },
      { code: 'TIMEOUT' },
      { code: 'DNS' },
      { code: 'BODY_TRUNCATED' },
    )
    expect(tally).toMatchObject({ attempts: 6, refused: { RETRY_AFTER: 1 }, maxRetryAfterMs: 1_000 })
  })

  it('passes over what was not sent, was cut off, or has another one’s answer', () => {
    expect(tallyOf({ outcome: Outcome.NOT_STARTED }, { outcome: Outcome.CANCELLED }, { attempt: 0 })).toEqual([])
    expect(tallyHosts(columnsOf([{ index: 0 }]), 0)).toEqual([])
  })

  it('says of which stage they are', () => {
    expect(tallyHosts(columnsOf([attempt()]), 2)).toMatchObject([{ stage: 2, host: 'a' }])
  })
})

const arbitraryTold: fc.Arbitrary<Told> = fc.record({
  host: fc.constantFrom('a', 'b', 'c'),
  code: fc.constantFrom(undefined, 'HTTP_STATUS', 'CONNECTION_REFUSED', 'TIMEOUT'),
  status: fc.constantFrom(200, 429, 503, 500),
  retryAfterMs: fc.option(fc.integer({ min: 0, max: 5_000 }), { nil: undefined }),
}) as fc.Arbitrary<Told>

const byHost = (tallies: readonly HostTally[] | null) => new Map(tallies?.map((tally) => [tally.host, tally]))

describe('HostTallies', () => {
  const host = (name: string, attempts: number, refused = 0): HostTally => {
    return { stage: 0, host: name, attempts, refused: refused ? { HTTP_429: refused } : {}, maxRetryAfterMs: null }
  }

  it('keeps nothing before there is something', () => {
    const tallies = new HostTallies(null)
    tallies.add([])
    expect(tallies.kept).toBeNull()
  })

  it('has the same counts however the attempts are cut into blocks, and after a new start', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryTold, { minLength: 1, maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        fc.boolean(),
        (all, sizes, restarts) => {
          const whole = new HostTallies(null)
          whole.add(tallyOf(...all))
          let parts = new HostTallies(null)
          for (let from = 0, cut = 0; from < all.length; cut += 1) {
            const size = sizes[cut % sizes.length]!
            parts.add(tallyOf(...all.slice(from, from + size)))
            if (restarts) parts = new HostTallies(structuredClone(parts.kept))
            from += size
          }
          expect(byHost(parts.kept)).toEqual(byHost(whole.kept))
          const attempts = (whole.kept ?? []).reduce((sum, one) => sum + one.attempts, 0)
          expect(attempts).toBe(all.length)
          for (const tally of whole.kept ?? []) expect(refusedOf(tally)).toBeLessThanOrEqual(tally.attempts)
        },
      ),
    )
  })

  it('does not change what it has handed out', () => {
    const tallies = new HostTallies(null)
    tallies.add([host('a', 1)])
    const before = tallies.kept
    const copy = structuredClone(before)
    tallies.add([host('a', 5, 2), host('b', 1)])
    expect(before).toEqual(copy)
    expect(tallies.kept?.[0]).toEqual(host('a', 6, 2))
  })

  it('keeps the hosts that refused most, and of the others those that were asked most', () => {
    const tallies = new HostTallies(null)
    tallies.add(Array.from({ length: 100 }, (_, at) => host(`h${at}`, at + 1)))
    tallies.add([host('few', 3, 2), host('many', 9, 8)])
    const kept = tallies.kept!.map((tally) => tally.host)
    expect(kept).toHaveLength(MAX_KEPT_HOSTS)
    expect(kept.slice(0, 4)).toEqual(['many', 'few', 'h99', 'h98'])
  })

  it('counts a host that begins to refuse after many that did not', () => {
    const tallies = new HostTallies(null)
    for (let at = 0; at < 500; at += 1) tallies.add([host(`h${at}`, 40)])
    tallies.add([host('h7', 10, 10)])
    expect(tallies.kept?.[0]).toEqual(host('h7', 50, 10))
  })

  it('forgets hosts that never refused, once there are too many, the one that was silent longest first', () => {
    const tallies = new HostTallies(null)
    tallies.add([host('first', 1_000), host('refusing', 20, 10)])
    for (let at = 0; at < 2_000; at += 1) tallies.add([host(`h${at}`, 1)])
    tallies.add([host('first', 1, 1), host('h1999', 1, 1)])
    expect(tallies.kept?.slice(0, 3)).toEqual([host('refusing', 20, 10), host('h1999', 2, 1), host('first', 1, 1)])
  })

  it('stays small where all of very many hosts refuse', () => {
    const tallies = new HostTallies(null)
    tallies.add([host('worst', 50, 50)])
    for (let at = 0; at < 5_000; at += 1) tallies.add([host(`h${at}`, 1, 1)])
    expect(tallies.kept).toHaveLength(MAX_KEPT_HOSTS)
    expect(tallies.kept?.[0]).toEqual(host('worst', 50, 50))
  })
})
