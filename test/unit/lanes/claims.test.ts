import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Backlog } from '../../../src/lanes/backlog.js'
import { Claimant, createClaims, isUsedUp, takeBack } from '../../../src/lanes/claims.js'

const range = { kind: 'range' as const, from: 0, to: 10_000, step: 1, count: 10_000 }
const built = new URL('../../../dist/lanes/claims.js', import.meta.url)

/** Claims places until it may not, and tells how many it had. */
const CLAIMANT = `
  const { parentPort, workerData } = require('node:worker_threads')
  import(workerData.module).then(({ Claimant }) => {
    const claimant = new Claimant(workerData.memory)
    parentPort.postMessage('ready')
    parentPort.once('message', () => {
      let place = 0
      while (place < workerData.count && claimant.claim(place)) place += 1
      parentPort.postMessage(place)
    })
  })`

describe('claims', () => {
  it('are given in order until the grant is taken back', () => {
    const memory = createClaims()
    const claimant = new Claimant(memory)
    expect([claimant.claim(0), claimant.claim(1)]).toEqual([true, true])
    expect(isUsedUp(memory, 3)).toBe(false)
    expect(takeBack(memory, 3)).toBe(2)
    expect(claimant.claim(2)).toBe(false)
    // Nothing is left to be taken back twice.
    expect(takeBack(memory, 3)).toBe(3)
  })

  it('know when all of a grant has begun', () => {
    const memory = createClaims()
    const claimant = new Claimant(memory)
    for (let place = 0; place < 3; place += 1) claimant.claim(place)
    expect(isUsedUp(memory, 3)).toBe(true)
    expect(takeBack(memory, 3)).toBe(3)
  })

  it('agree between two threads, whenever one of them takes back', async () => {
    for (let round = 0; round < 20; round += 1) {
      const count = 200_000
      const memory = createClaims()
      const worker = new Worker(CLAIMANT, { eval: true, workerData: { module: built.href, memory, count } })
      const next = () => new Promise<unknown>((resolve) => worker.once('message', resolve))
      await next()
      const had = next()
      worker.postMessage('go')
      const cells = new Int32Array(memory)
      while (Atomics.load(cells, 0) < round * 100);
      const started = takeBack(memory, count)
      expect(started).toBe(await had)
      expect(started).toBeGreaterThanOrEqual(round * 100)
      await worker.terminate()
    }
  })

  it('leave each item to one side, whatever is lent, walked and taken back', () => {
    const step = fc.oneof(
      fc.record({ lend: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ grant: fc.integer({ min: 0, max: 20 }) }),
      fc.record({ walk: fc.integer({ min: 1, max: 30 }) }),
      fc.constant({ takeBack: true }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const backlog = new Backlog({ source: range, takesOver: false })
        const walked: number[] = []
        const taken: number[] = []
        let lent: { first: number; count: number; memory: SharedArrayBuffer }[] = []
        let given = 0
        const give = (count: number, claims: SharedArrayBuffer | null) => {
          backlog.push({ first: given, count, indexes: null, inputs: null, attempts: null }, claims)
          if (claims) lent.push({ first: given, count, memory: claims })
          given += count
        }
        for (const one of steps) {
          if ('lend' in one) give(one.lend, createClaims())
          else if ('grant' in one) give(one.grant, null)
          else if ('walk' in one) {
            for (let at = 0; at < one.walk && backlog.next(); at += 1) walked.push(backlog.index)
          } else {
            for (const { first, count, memory } of lent) {
              for (let at = takeBack(memory, count); at < count; at += 1) taken.push(first + at)
            }
            lent = []
          }
        }
        while (backlog.next()) walked.push(backlog.index)
        expect(backlog.isEmpty).toBe(true)
        expect([...walked]).toEqual([...walked].sort((a, b) => a - b))
        expect([...walked, ...taken].sort((a, b) => a - b)).toEqual(Array.from({ length: given }, (_, at) => at))
      }),
    )
  })
})
