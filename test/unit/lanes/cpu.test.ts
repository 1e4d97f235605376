import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { openCpuClock } from '../../../src/lanes/cpu.js'

describe('openCpuClock', () => {
  it('counts the time of the thread that asks, and not that of others', async () => {
    const clock = (await openCpuClock())!
    const start = clock()
    const worker = new Worker(
      `
      const { parentPort, workerData } = require('node:worker_threads')
      import(workerData).then(async ({ openCpuClock }) => {
        const clock = await openCpuClock()
        const start = clock()
        while (clock() - start < 50);
        parentPort.postMessage(clock() - start)
      })
      `,
      { eval: true, workerData: new URL('../../../dist/lanes/cpu.js', import.meta.url).href },
    )
    const [others] = (await once(worker, 'message')) as [number]
    const own = clock() - start
    expect(own).toBeGreaterThan(0)
    expect(own).toBeLessThan(others)
    await worker.terminate()
  })

  it('leaves no trace in the warnings', async () => {
    const warnings: unknown[] = []
    const listen = (warning: unknown) => warnings.push(warning)
    process.on('warning', listen)
    const { emitWarning } = process
    await openCpuClock()
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', listen)
    expect(warnings).toEqual([])
    expect(process.emitWarning).toBe(emitWarning)
  })
})
