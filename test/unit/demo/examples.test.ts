import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { DOCUMENTS, download } from '../../../src/demo/documents.js'
import { downloads, index, linksOf, primes, scraping, sums, waiting } from '../../../src/demo/examples.js'
import { runResult as result } from '../../support/demo-results.js'

const ORIGIN = 'http://127.0.0.1:1'

const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('hex')

describe('downloads', () => {
  const example = downloads(ORIGIN)
  const right = [1, 2, 3].map((file) => ({ fetch: { status: 200, bytes: 262_144, sha256: sha256(download(file)) } }))

  it('asks for three files of the origin, one after the other and then together', () => {
    expect(example.strategies).toEqual(['SEQUENTIAL', 'ASYNC'])
    expect(example.launch('ASYNC')).toMatchObject({
      kind: 'fetch',
      input: {
        source: { template: { template: `${ORIGIN}/download/{i}`, from: 1, to: 3 } },
        options: { strategy: 'ASYNC' },
      },
    })
  })

  it('knows the files by their hashes', () => {
    expect(example.check(result(right))).toEqual({ ok: true, message: expect.stringContaining('786,432 bytes') })
    const swapped = result([right[1] ?? {}, right[0] ?? {}, right[2] ?? {}])
    expect(example.check(swapped)).toEqual({ ok: false, message: expect.stringContaining('item 0 gave') })
  })
})

describe('waiting', () => {
  it('asks for a second five times over, under every strategy, and wants five answers', () => {
    const example = waiting(ORIGIN)
    const answer = { fetch: { status: 200, bytes: 10, sha256: null } }
    expect(example.strategies).toHaveLength(4)
    expect(example.launch('THREADS').input).toMatchObject({
      source: { urls: Array(5).fill(`${ORIGIN}/wiki/heddle?delayMs=1000`) },
      options: { strategy: 'THREADS' },
    })
    expect(example.check(result(Array(5).fill(answer))).ok).toBe(true)
    expect(example.check(result(Array(4).fill(answer))).ok).toBe(false)
    expect(DOCUMENTS.has('/wiki/heddle')).toBe(true)
  })
})

describe('scraping', () => {
  const paths = linksOf(DOCUMENTS.get('/')?.body)
  const example = scraping(ORIGIN, paths)
  const right = paths.map((path) => {
    const body = DOCUMENTS.get(path)?.body ?? Buffer.alloc(0)
    return { output: body.toString(), fetch: { status: 200, bytes: body.length, sha256: sha256(body) } }
  })

  it('begins with the page that links to all others', () => {
    expect(index(ORIGIN).input).toMatchObject({ source: { urls: [`${ORIGIN}/`] }, fetch: { bodyPolicy: 'TEXT' } })
    expect(paths).toHaveLength(48)
    expect(linksOf('<a href="/elsewhere">no list</a>')).toEqual([])
  })

  it('takes the pages ten at a time, but for the baseline', () => {
    expect(example.launch('THREADS').input).toMatchObject({ options: { strategy: 'THREADS', concurrency: 10 } })
    expect(example.launch('SEQUENTIAL').input.options).toEqual({ name: 'demo: scraping', strategy: 'SEQUENTIAL' })
  })

  it('compares every page with what the origin holds', () => {
    expect(example.check(result(right)).ok).toBe(true)
    const cut = right.map((page, at) => (at === 7 ? { ...page, output: page.output.slice(1) } : page))
    expect(example.check(result(cut))).toEqual({ ok: false, message: expect.stringMatching(/^item 7 gave "/) })
  })
})

describe('sums', () => {
  const outputs = ['333333283333335000000', '2666666466666670000000', '8999999550000005000000']

  it('wants them exact', () => {
    expect(sums().check(result(outputs.map((output) => ({ output })))).ok).toBe(true)
    // What doubles make of the first one.
    const rounded = ['333333283333334950000', ...outputs.slice(1)]
    expect(sums().check(result(rounded.map((output) => ({ output }))))).toEqual({
      ok: false,
      message: 'item 0 gave "333333283333334950000", expected "333333283333335000000"',
    })
  })

  it('warms up with the same function and less to do', () => {
    const [measured, warmUp] = [sums().launch('PROCESSES'), sums().warmUp?.('PROCESSES')]
    expect(measured.input).toMatchObject({
      function: 'sumOfSquares',
      source: { inputs: [10_000_000, 20_000_000, 30_000_000] },
    })
    expect(warmUp?.input).toMatchObject({
      function: 'sumOfSquares',
      source: { inputs: [1_000_000, 1_000_000, 1_000_000] },
    })
    expect(warmUp?.input.options).toMatchObject({ strategy: 'PROCESSES' })
  })
})

describe('primes', () => {
  const right = Array.from({ length: 12 }, () => ({ output: 5_761_455 }))

  it('knows how many there are', () => {
    expect(primes().check(result(right))).toEqual({ ok: true, message: '5,761,455 primes, each time' })
    expect(primes().check(result(right.map(() => ({ output: 5_761_454 })))).ok).toBe(false)
  })

  it('takes a run that is not whole for wrong', () => {
    expect(primes().check(result(right.slice(1)))).toEqual({ ok: false, message: '11 tasks ended of 12' })
    const failed = result(right, [{ code: 'LANE_DIED', message: 'the lane is gone', count: 2 }])
    expect(primes().check(failed)).toEqual({ ok: false, message: '2 tasks failed: LANE_DIED, the lane is gone' })
    expect(primes().check(result(right.map(() => ({ output: undefined })))).message).toContain('gave nothing')
  })
})
