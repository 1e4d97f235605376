import { describe, expect, it } from 'vitest'
import type { StageFigures } from '../../../../src/domain/diagnostic.js'
import { ORIGIN_THROTTLING } from '../../../../src/domain/diagnostics/origin-throttling.js'
import type { HostTally } from '../../../../src/domain/refusals.js'
import { equalTimes, stageFigures } from '../../../support/stage-figures.js'

const tally = (attempts: number, refused: HostTally['refused'], host = 'a.example'): HostTally => ({
  stage: 0,
  host,
  attempts,
  refused,
  maxRetryAfterMs: null,
})

/** 100 requests in two seconds, ten at once on average. */
const fetched = (hosts: HostTally[], changes: Partial<StageFigures> = {}) =>
  stageFigures({
    kind: 'FETCH',
    strategy: 'ASYNC',
    lanes: 1,
    concurrency: 16,
    wallMs: 2_000,
    service: equalTimes(100, 200),
    hosts,
    ...changes,
  })
const find = (...hosts: HostTally[]) => ORIGIN_THROTTLING.find(fetched(hosts))

describe('ORIGIN_THROTTLING', () => {
  it('names the host, what it refused and why, and what it would bear', () => {
    const host = { ...tally(200, { HTTP_429: 90, HTTP_503: 10 }), maxRetryAfterMs: 1_500 }
    expect(find(host)).toEqual({
      message:
        'a.example refused 100 of 200 attempts, 50 % (status 429: 90, status 503: 10), asking for 1.5 s at most until the next. 50 a second went through: perHostRate: 50, or perHostConcurrency: 5, would ask it for no more.',
      evidence: {
        host: 'a.example',
        attempts: 200,
        refused: 100,
        refusedShare: 0.5,
        reasons: { HTTP_429: 90, HTTP_503: 10 },
        maxRetryAfterMs: 1_500,
        throughPerSecond: 50,
        perHostConcurrency: 5,
        otherHosts: [],
      },
    })
  })

  it('does not speak of a wait where none was asked for', () => {
    const finding = find({ ...tally(200, { HTTP_429: 100 }), maxRetryAfterMs: 0 })
    expect(finding?.message).toMatch(/^a\.example refused 100 of 200 attempts, 50 % \(status 429: 100\)\. /)
    expect(finding?.evidence).toMatchObject({ maxRetryAfterMs: 0 })
  })

  it('takes three refusals, and a twentieth of the attempts', () => {
    expect(find(tally(10, { HTTP_429: 3 }))).not.toBeNull()
    expect(find(tally(2, { HTTP_429: 2 }))).toBeNull()
    expect(find(tally(200, { HTTP_503: 10 }))).not.toBeNull()
    expect(find(tally(201, { HTTP_503: 10 }))).toBeNull()
    expect(find(tally(100, { HTTP_429: 2, HTTP_503: 1, CONNECTION_RESET: 1, RETRY_AFTER: 1 }))).not.toBeNull()
  })

  it('says nothing of hosts that answered', () => {
    expect(find()).toBeNull()
    expect(find(tally(1_000, {}))).toBeNull()
  })

  it('names the one that refused most often, and then the others', () => {
    const finding = find(
      tally(50, { HTTP_429: 10 }, 'b.example'),
      tally(100, {}, 'fine.example'),
      tally(50, { HTTP_429: 20 }, 'a.example'),
    )
    expect(finding?.message).toMatch(
      /^a\.example refused 20 of 50 attempts, 40 % \(status 429: 20\); so did b\.example\. /,
    )
    expect(finding?.evidence).toMatchObject({
      host: 'a.example',
      otherHosts: [{ host: 'b.example', attempts: 50, refused: 10 }],
    })
    const many = Array.from({ length: 7 }, (_, at) => tally(50, { HTTP_429: 50 - at }, `h${at}`))
    expect(find(...many)?.message).toContain('; so did h1, h2, h3, h4 and 2 more hosts. ')
  })

  it('asks whether a host is there of which nothing went through', () => {
    const finding = find(tally(15, { CONNECTION_REFUSED: 15 }))
    expect(finding?.message).toBe(
      'a.example refused 15 of 15 attempts, 100 % (connection refused: 15). Nothing went through: is it up, and is the port right?',
    )
    expect(finding?.evidence).toMatchObject({ throughPerSecond: null, perHostConcurrency: null })
    expect(find(tally(15, { HTTP_503: 15 }))?.message).toContain('it wants to be left alone for longer')
  })

  it('never advises less than one at a time', () => {
    expect(find(tally(1_000, { HTTP_429: 999 }))?.message).toContain('perHostRate: 0.5, or perHostConcurrency: 1,')
  })

  it('advises no rate after less than a second', () => {
    const quick = fetched([tally(30, { HTTP_429: 20 })], { wallMs: 999, service: equalTimes(10, 600) })
    expect(ORIGIN_THROTTLING.find(quick)?.message).toMatch(
      / Fewer at a time would help, such as perHostConcurrency: 2\.$/,
    )
    expect(ORIGIN_THROTTLING.find(quick)?.evidence).toMatchObject({ throughPerSecond: null, perHostConcurrency: 2 })
    expect(ORIGIN_THROTTLING.find({ ...quick, wallMs: 1_000 })?.evidence).toMatchObject({ throughPerSecond: 10 })
  })

  it('can tell before a task has ended', () => {
    const nothingYet = { wallMs: 0, lastEndMs: null, service: equalTimes(0, 0), isOver: false }
    expect(ORIGIN_THROTTLING.asked).toBe('ALWAYS')
    expect(ORIGIN_THROTTLING.find(fetched([tally(20, { HTTP_429: 19 })], nothingYet))?.evidence).toMatchObject({
      refused: 19,
      throughPerSecond: null,
    })
  })
})
