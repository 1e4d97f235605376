import { describe, expect, it } from 'vitest'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

describe('Query.system', () => {
  it('tells how the server is, and what it is busy with', async () => {
    const services = testServices()
    services.runs.engineLoad = {
      queuedTasks: 5,
      runningTasks: 2,
      runs: { QUEUED: 1, RUNNING: 1, PAUSED: 0 },
      oldestQueuedMs: 12.5,
      storageTrouble: null,
      lanes: [
        { lane: 'thread-1', kind: 'THREAD', busy: true, tasksDone: 7, memoryMb: null },
        { lane: 'process-1', kind: 'PROCESS', busy: false, tasksDone: 0, memoryMb: 60 },
      ],
    }
    const source = `{ system { version cores uptimeMs eventLoopDelayP99Ms queuedTasks runningTasks oldestQueuedMs
      lanes { lane strategy host busy tasksDone memoryMb } } }`
    expect((await execute(services, source)).data.system).toEqual({
      version: '1.2.3',
      cores: 4,
      uptimeMs: 1000,
      eventLoopDelayP99Ms: 1.5,
      queuedTasks: 5,
      runningTasks: 2,
      oldestQueuedMs: 12.5,
      lanes: [
        { lane: 'thread-1', strategy: 'THREADS', host: 'here', busy: true, tasksDone: 7, memoryMb: null },
        { lane: 'process-1', strategy: 'PROCESSES', host: 'here', busy: false, tasksDone: 0, memoryMb: 60 },
      ],
    })
  })
})

describe('System.storageTrouble', () => {
  it('tells why nothing can be written, and since when', async () => {
    const services = testServices()
    const ask = async () =>
      (await execute(services, '{ system { storageTrouble { code message since } } }')).data.system
    expect(await ask()).toEqual({ storageTrouble: null })
    services.runs.engineLoad = {
      ...services.runs.engineLoad,
      storageTrouble: { code: 'BUSY', since: new Date(Date.UTC(2026, 0, 1)) },
    }
    expect(await ask()).toEqual({
      storageTrouble: {
        code: 'BUSY',
        message: 'The database is locked by another process: nothing can be written down until it lets go',
        since: '2026-01-01T00:00:00.000Z',
      },
    })
  })
})

describe('Query.functions', () => {
  it('tells what can be called', async () => {
    const { data } = await execute(
      testServices(),
      '{ functions { name description inputSchema outputSchema example } }',
    )
    expect(data.functions).toEqual([
      {
        name: 'square',
        description: 'The square of a number.',
        inputSchema: { type: 'number' },
        outputSchema: { type: 'number' },
        example: 3,
      },
    ])
  })
})
