import { describe, expect, it } from 'vitest'
import { strategyCosts } from '../../../src/domain/strategy-cost.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const COSTS =
  '{ system { strategyCosts { strategy laneStartMs roundTripUs memoryPerLaneMb sharesMemory parallel bestFor } } }'

const MEASURED = strategyCosts(
  {
    THREAD: { startMs: 48.5, roundTripUs: 16.25, memoryMb: 9.75 },
    PROCESS: { startMs: 112, roundTripUs: 31.5, memoryMb: 18 },
  },
  2,
)

describe('System.strategyCosts', () => {
  it('tells what was measured, as it is', async () => {
    const services = testServices()
    services.runs.costs = MEASURED
    const { data, codes } = await execute(services, COSTS)
    expect(codes).toEqual([])
    expect(data).toEqual({ system: { strategyCosts: MEASURED } })
    expect(MEASURED).toHaveLength(4)
  })

  it('costs nothing to whoever asks for the rest', async () => {
    const services = testServices()
    services.runs.costs = new Error('nobody was to ask')
    expect((await execute(services, '{ system { cores } }')).data).toEqual({ system: { cores: 4 } })
  })

  it('is an error where it could not be measured', async () => {
    const services = testServices()
    services.runs.costs = new Error('no memory')
    const { data, messages } = await execute(services, COSTS)
    expect(data).toBeNull()
    expect(messages).toEqual(['no memory'])
  })
})
