import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { knownMemoryMb } from '../../../src/lanes/weight.js'

const MEGABYTE = 1024 * 1024
/** Workers load JavaScript: of the last build. */
const built = new URL('../../../dist/lanes/weight.js', import.meta.url).href

/** What a thread says of itself before and after it has made a list of so many numbers. */
async function saidByThread(numbers: number): Promise<{ before: number; after: number }> {
  const code = `
    import('${built}').then(({ knownMemoryMb }) => {
      const before = knownMemoryMb()
      const list = Array.from({ length: ${numbers} }, (_, at) => at + 0.5)
      require('node:worker_threads').parentPort.postMessage({ before, after: knownMemoryMb(), length: list.length })
    })`
  const worker = new Worker(code, { eval: true })
  const [said] = await once(worker, 'message')
  await worker.terminate()
  return said
}

describe('knownMemoryMb', () => {
  it('is of a process what is resident', () => {
    const beforeMb = knownMemoryMb()
    const buffer = Buffer.alloc(64 * MEGABYTE, 1)
    const grownMb = knownMemoryMb() - beforeMb
    expect(buffer).toHaveLength(64 * MEGABYTE)
    expect(grownMb).toBeGreaterThan(32)
  })

  it('is of a thread what its own heap holds, whatever the process has', async () => {
    const buffer = Buffer.alloc(64 * MEGABYTE, 1)
    const { before, after } = await saidByThread(2_000_000)
    expect(before).toBeGreaterThan(1)
    expect(before).toBeLessThan(64)
    // Eight bytes each.
    expect(after - before).toBeGreaterThan(10)
    expect(buffer).toHaveLength(64 * MEGABYTE)
  })
})
