import { describe, expect, it } from 'vitest'
import { createContext } from '../../../src/graphql/context.js'
import type { ComparisonNode, TaskNode } from '../../../src/graphql/refs.js'
import {
  comparisonUpdates,
  endedTaskBatches,
  endedTasks,
  runsUpdates,
  runUpdates,
} from '../../../src/graphql/streams.js'
import { batchSpec } from '../../support/fake-runs.js'
import { type TestServices, testServices } from '../../support/fake-services.js'

/** Lets everything run that waits for nothing but its turn. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

/** Takes items as they come, without end, and keeps them. */
function collect<Item>(stream: AsyncIterableIterator<Item>): { items: Item[]; ended: Promise<void> } {
  const items: Item[] = []
  const take = async () => {
    for await (const item of stream) items.push(item)
  }
  return { items, ended: take() }
}

function fiveEnded(services: TestServices) {
  const run = services.runs.add()
  for (let ended = 0; ended < 5; ended += 1) services.runs.end(run.key)
  return run
}

describe('runUpdates', () => {
  it('gives the state at once, and what changed while the client took its time as one', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const stream = runUpdates(createContext(services), key, 10)
    expect((await stream.next()).value?.record.status).toBe('QUEUED')
    for (let ended = 0; ended < 3; ended += 1) services.runs.end(key)
    services.clock.advance(100)
    expect((await stream.next()).value?.progress.done).toBe(3)
    services.clock.advance(100)
    services.runs.finish(key, 'PARTIAL')
    expect((await stream.next()).value?.record.status).toBe('PARTIAL')
    expect((await stream.next()).done).toBe(true)
    expect(services.bus.watches).toBe(0)
  })

  it('holds to its rate, and never leaves out the last state', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const { items, ended } = collect(runUpdates(createContext(services), key, 2))
    await settle()
    for (let change = 0; change < 4; change += 1) {
      services.runs.end(key)
      await settle()
      services.clock.advance(100)
      await settle()
    }
    expect(items.map(({ progress }) => progress.done)).toEqual([0])
    services.clock.advance(100)
    await settle()
    expect(items.map(({ progress }) => progress.done)).toEqual([0, 4])
    services.runs.finish(key, 'PARTIAL')
    await settle()
    expect(items).toHaveLength(2)
    services.clock.advance(500)
    await ended
    expect(items.map(({ record }) => record.status)).toEqual(['QUEUED', 'RUNNING', 'PARTIAL'])
  })

  it('says nothing where nothing changed, though there was news', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const { items } = collect(runUpdates(createContext(services), key, 10))
    await settle()
    services.bus.runChanged(key)
    services.clock.advance(1000)
    await settle()
    expect(items).toHaveLength(1)
  })

  it('sees a change that comes while it reads', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const read = services.engine.run
    services.engine.run = async (run) => {
      services.engine.run = read
      const view = await read(run)
      services.runs.finish(key, 'SUCCEEDED')
      return view
    }
    const { items, ended } = collect(runUpdates(createContext(services), key, 10))
    await settle()
    services.clock.advance(100)
    await ended
    expect(items.map(({ record }) => record.status)).toEqual(['QUEUED', 'SUCCEEDED'])
  })

  it('gives a run that has ended once', async () => {
    const services = testServices()
    const { key } = services.runs.add({ status: 'SUCCEEDED' })
    const { items, ended } = collect(runUpdates(createContext(services), key, 10))
    await ended
    expect(items).toHaveLength(1)
  })

  it('ends with a run that is deleted', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const { items, ended } = collect(runUpdates(createContext(services), key, 10))
    await settle()
    services.runs.delete(key)
    services.clock.advance(100)
    await ended
    expect(items).toHaveLength(1)
  })
})

describe('comparisonUpdates', () => {
  const statuses = async (items: ComparisonNode[]) =>
    Promise.all(items.map(async (node) => (await node.runs()).map(({ status }) => status).join(' ')))

  it('gives the comparison at once, then as its runs change, at its rate, and its last state', async () => {
    const services = testServices()
    const comparison = services.runs.addComparison()
    const [first, second] = comparison.runs.map(({ key }) => key)
    const { items, ended } = collect(comparisonUpdates(createContext(services), comparison, 2))
    await settle()
    services.runs.end(first!)
    services.runs.add()
    services.runs.finishIn(first!, 10)
    await settle()
    expect(await statuses(items)).toEqual(['QUEUED QUEUED'])
    services.clock.advance(500)
    await settle()
    expect(await statuses(items)).toEqual(['QUEUED QUEUED', 'SUCCEEDED QUEUED'])
    services.runs.finishIn(second!, 10)
    services.clock.advance(500)
    await ended
    expect((await statuses(items)).at(-1)).toBe('SUCCEEDED SUCCEEDED')
    expect(items).toHaveLength(3)
    expect(services.bus.watches).toBe(0)
  })

  it('says nothing where nothing of it changed', async () => {
    const services = testServices()
    const comparison = services.runs.addComparison()
    const { items } = collect(comparisonUpdates(createContext(services), comparison, 10))
    await settle()
    services.bus.runChanged(comparison.runs[0]!.key)
    services.clock.advance(100)
    services.runs.add()
    services.clock.advance(100)
    await settle()
    expect(items).toHaveLength(1)
  })

  it('sees a change that comes while it reads', async () => {
    const services = testServices()
    const comparison = services.runs.addComparison({ strategies: ['THREADS'] })
    const read = services.engine.comparedRuns
    let reads = 0
    services.engine.comparedRuns = async (record) => {
      reads += 1
      const runs = await read(record)
      if (reads === 2) services.runs.finishIn(comparison.runs[0]!.key, 5)
      return runs
    }
    const { items, ended } = collect(comparisonUpdates(createContext(services), comparison, 10))
    await settle()
    services.clock.advance(100)
    await ended
    expect(await statuses(items)).toEqual(['QUEUED', 'SUCCEEDED'])
  })

  it('tells of a run that is deleted, and ends with the last of them', async () => {
    const services = testServices()
    const comparison = services.runs.addComparison()
    const { items, ended } = collect(comparisonUpdates(createContext(services), comparison, 10))
    await settle()
    for (const { key } of comparison.runs) {
      services.runs.delete(key)
      services.clock.advance(100)
      await settle()
    }
    await ended
    expect(await statuses(items)).toEqual(['QUEUED QUEUED', 'QUEUED'])
  })

  it('gives one that has ended once, and lets go at once when its client goes', async () => {
    const services = testServices()
    const over = services.runs.addComparison({ strategies: ['THREADS'] })
    services.runs.finishIn(over.runs[0]!.key, 5)
    const { items, ended } = collect(comparisonUpdates(createContext(services), over, 10))
    await ended
    expect(items).toHaveLength(1)
    const stream = comparisonUpdates(createContext(services), services.runs.addComparison(), 10)
    await stream.next()
    const next = stream.next()
    await settle()
    await stream.return?.()
    expect([(await next).done, services.bus.watches]).toEqual([true, 0])
  })
})

describe('endedTasks', () => {
  it('gives what has ended, then what ends, each once and in order', async () => {
    const services = testServices()
    const { key } = fiveEnded(services)
    const { items, ended } = collect(endedTasks(createContext(services), { run: key, after: 0 }))
    await settle()
    expect(items).toHaveLength(5)
    services.runs.end(key)
    await settle()
    services.runs.end(key)
    services.runs.finish(key, 'PARTIAL')
    await ended
    expect(items.map(({ node }) => node.record.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(new Set(items.map(({ cursor }) => cursor)).size).toBe(7)
    expect(services.bus.watches).toBe(0)
  })

  it('goes on after a sequence', async () => {
    const services = testServices()
    const { key } = fiveEnded(services)
    services.runs.finish(key, 'PARTIAL')
    const { items, ended } = collect(endedTasks(createContext(services), { run: key, after: 3 }))
    await ended
    expect(items.map(({ node }) => node.record.sequence)).toEqual([4, 5])
  })

  it('misses none that end between its reading of the run and of the tasks', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const read = services.store.tasksAfter
    services.store.tasksAfter = async (...args) => {
      services.store.tasksAfter = read
      const tasks = await read(...args)
      services.runs.end(key)
      services.runs.finish(key, 'PARTIAL')
      return tasks
    }
    const { items, ended } = collect(endedTasks(createContext(services), { run: key, after: 0 }))
    await ended
    expect(items).toHaveLength(1)
  })

  it('ends with a run that ended without a task', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const { items, ended } = collect(endedTasks(createContext(services), { run: key, after: 0 }))
    await settle()
    services.runs.finish(key, 'FAILED')
    await ended
    expect(items).toEqual([])
  })

  it('leaves turns of the event loop to others while its client takes all that comes', async () => {
    const services = testServices()
    const run = services.runs.add()
    for (let ended = 0; ended < 200; ended += 1) services.runs.end(run.key)
    services.runs.finish(run.key, 'SUCCEEDED')
    const { items, ended } = collect(endedTasks(createContext(services), { run: run.key, after: 0 }))
    await settle()
    expect(items.length).toBeLessThan(100)
    await ended
    expect(items).toHaveLength(200)
  })

  it('reads more than one page', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    for (let ended = 0; ended < 1000; ended += 1) services.runs.end(key)
    services.runs.finish(key, 'SUCCEEDED')
    const { items, ended } = collect(endedTasks(createContext(services), { run: key, after: 0 }))
    await ended
    expect(items.map(({ node }) => node.record.sequence)).toEqual(Array.from({ length: 1000 }, (_, at) => at + 1))
  })
})

describe('endedTaskBatches', () => {
  it('gives as many at a time as are allowed, at its rate, and the cursor of the last', async () => {
    const services = testServices()
    const { key } = fiveEnded(services)
    const rate = { perSecond: 10, maxNodes: 2 }
    const { items, ended } = collect(endedTaskBatches(createContext(services), { run: key, after: 0 }, rate))
    await settle()
    expect(items.map(({ nodes }) => nodes.length)).toEqual([2])
    for (let turn = 0; turn < 2; turn += 1) {
      services.clock.advance(100)
      await settle()
    }
    expect(items.map(({ nodes }) => nodes.map(({ record }) => record.sequence))).toEqual([[1, 2], [3, 4], [5]])
    services.runs.end(key)
    services.runs.end(key)
    services.runs.finish(key, 'PARTIAL')
    await settle()
    services.clock.advance(100)
    await settle()
    services.clock.advance(100)
    await ended
    expect(items.at(-1)?.nodes.map(({ record }) => record.sequence)).toEqual([6, 7])
    const single = collect(endedTasks(createContext(services), { run: key, after: 0 }))
    await single.ended
    expect(items.map(({ cursor }) => cursor)).toEqual([1, 3, 4, 6].map((at) => single.items[at]?.cursor))
  })

  it('reads the inputs of a batch at once, and only where they are asked for', async () => {
    const services = testServices()
    const { key } = fiveEnded(services)
    const rate = { perSecond: 10, maxNodes: 1000 }
    const stream = endedTaskBatches(createContext(services), { run: key, after: 0 }, rate)
    const { value } = await stream.next()
    const nodes: TaskNode[] = value?.nodes ?? []
    expect(services.runs.calls.inputs).toBe(0)
    expect(await Promise.all(nodes.map((node) => node.inputs.at(node.record)))).toEqual([0, 1, 2, 3, 4])
    expect(services.runs.calls.inputs).toBe(1)
    await stream.return?.()
  })
})

describe('runsUpdates', () => {
  it('gives each run as it is launched and changes, at its own rate, and its last state', async () => {
    const services = testServices()
    const { items } = collect(runsUpdates(createContext(services), {}, 10))
    await settle()
    const told = () => items.map(({ record }) => `${record.id} ${record.status}`)
    const first = services.runs.add()
    await settle()
    const second = services.runs.add()
    services.runs.end(first.key)
    services.runs.finish(first.key, 'PARTIAL')
    await settle()
    expect(told()).toEqual(['1 QUEUED', '2 QUEUED'])
    services.clock.advance(99)
    await settle()
    expect(told()).toHaveLength(2)
    services.clock.advance(1)
    await settle()
    expect(told()).toEqual(['1 QUEUED', '2 QUEUED', '1 PARTIAL'])
    services.runs.end(second.key)
    await settle()
    expect(told()).toEqual(['1 QUEUED', '2 QUEUED', '1 PARTIAL', '2 RUNNING'])
  })

  it('gives only runs that match when they change', async () => {
    const services = testServices()
    const { items } = collect(runsUpdates(createContext(services), { status: ['RUNNING'] }, 60))
    await settle()
    const { key } = services.runs.add({ spec: batchSpec({ name: 'one' }) })
    await settle()
    services.runs.end(key)
    await settle()
    services.clock.advance(100)
    services.runs.finish(key, 'PARTIAL')
    await settle()
    services.clock.advance(100)
    await settle()
    expect(items.map(({ record }) => record.status)).toEqual(['RUNNING'])
  })

  it('passes over runs that are gone and news that is none', async () => {
    const services = testServices()
    const { items } = collect(runsUpdates(createContext(services), {}, 60))
    const { key } = services.runs.add()
    await settle()
    services.bus.runChanged(key)
    services.clock.advance(100)
    await settle()
    services.runs.delete(key)
    services.clock.advance(100)
    await settle()
    expect(items).toHaveLength(1)
  })

  it('never ends by itself, and at once when its client goes', async () => {
    const services = testServices()
    const stream = runsUpdates(createContext(services), {}, 60)
    const next = stream.next()
    await settle()
    expect(services.bus.watches).toBe(1)
    await stream.return?.()
    expect(services.bus.watches).toBe(0)
    expect((await next).done).toBe(true)
  })
})
