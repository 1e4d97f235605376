import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { Inspection } from '../../../src/lanes/inspection.js'
import { until } from '../../support/until.js'

const SPINS = 'globalThis.answer = 42; for (;;);'

describe('Inspection', () => {
  const workers: Worker[] = []
  const inspection = Inspection.open()!

  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
  })

  const start = async (code: string) => {
    const worker = new Worker(code, { eval: true })
    workers.push(worker)
    await once(worker, 'online')
    return worker
  }

  const evaluate = async (worker: Worker, expression: string) => {
    const answer = await inspection.ask(worker.threadId, 'Runtime.evaluate', { expression, returnByValue: true })
    return (answer as { result: { value: unknown } } | null)?.result.value
  }

  it('is answered by a thread that spins, and by the one that is asked', async () => {
    const [one, other] = [await start(SPINS), await start(SPINS.replace('42', '43'))]
    await until(async () => (await evaluate(one, 'globalThis.answer')) === 42)
    await until(async () => (await evaluate(other, 'globalThis.answer')) === 43)
  })

  it('is answered with null for a thread that is not there, or has ended', async () => {
    expect(await inspection.ask(1_000_000, 'Runtime.getHeapUsage')).toBeNull()
    const worker = await start(SPINS)
    const { threadId } = worker
    await until(async () => (await inspection.ask(threadId, 'Runtime.getHeapUsage')) !== null)
    await worker.terminate()
    await until(async () => (await inspection.ask(threadId, 'Runtime.getHeapUsage')) === null)
  })

  it('answers nobody any more when it is closed', async () => {
    const own = Inspection.open()!
    const worker = await start(SPINS)
    await until(async () => (await own.ask(worker.threadId, 'Runtime.getHeapUsage')) !== null)
    const asked = own.ask(worker.threadId, 'Runtime.getHeapUsage')
    own.close()
    await asked
    expect(await own.ask(worker.threadId, 'Runtime.getHeapUsage')).toBeNull()
  })
})
