import { describe, expect, it } from 'vitest'
import { runId } from '../../../src/domain/ids.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const ASK = 'query($id: ID!) { run(id: $id) { diagnostics { code severity message evidence } } }'

describe('Run.diagnostics', () => {
  it('gives what held the run back, with its evidence', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    services.runs.diagnostics.set(key, [
      {
        code: 'ORIGIN_THROTTLING',
        severity: 'WARNING',
        message: 'a.example refused 5 of 10 attempts.',
        evidence: { host: 'a.example', refusedShare: 0.5, reasons: { HTTP_429: 5 }, otherHosts: [] },
      },
      { code: 'WAITING_ON_PARALLEL_LANES', severity: 'INFO', message: 'The tasks waited.', evidence: {} },
    ])
    const { data, messages } = await execute(services, ASK, { id: runId(key) })
    expect(messages).toEqual([])
    expect(data).toEqual({ run: { diagnostics: services.runs.diagnostics.get(key) } })
  })

  it('is empty where nothing did', async () => {
    const services = testServices()
    const { key } = services.runs.add()
    const { data } = await execute(services, ASK, { id: runId(key) })
    expect(data).toEqual({ run: { diagnostics: [] } })
  })
})
