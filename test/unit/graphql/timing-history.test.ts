import { beforeEach, describe, expect, it } from 'vitest'
import { distributionFromValues, emptyMoments } from '../../../src/domain/timing.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

let services: ReturnType<typeof testServices>
beforeEach(() => {
  services = testServices()
})

describe('timingHistory', () => {
  it('asks for days and no groups, if nothing else is said', async () => {
    expect((await execute(services, '{ timingHistory { tasks } }')).data).toEqual({ timingHistory: [] })
    expect(services.runs.askedHistories).toEqual([{ filter: {}, bucket: 'DAY', groupBy: 'NONE', label: null }])
  })

  it('hands its filter on as it is given to runs', async () => {
    const query = `{ timingHistory(
      bucket: HOUR, groupBy: LABEL, label: "team",
      filter: { kind: [FETCH, FETCH], host: "a:80", name: null, labels: [{ name: "x", value: "y" }] }
    ) { tasks } }`
    await execute(services, query)
    expect(services.runs.askedHistories).toEqual([
      {
        filter: { kind: ['FETCH'], host: 'a:80', labels: [{ name: 'x', value: 'y' }] },
        bucket: 'HOUR',
        groupBy: 'LABEL',
        label: 'team',
      },
    ])
  })

  it('answers with the points', async () => {
    const service = distributionFromValues(Float64Array.of(1, 2, 3))
    services.runs.history = [
      { bucketStart: new Date(0), group: 'f', runs: 2, tasks: 3, failed: 1, service, throughput: 1.5 },
      {
        bucketStart: new Date(0),
        group: null,
        runs: 1,
        tasks: 0,
        failed: 0,
        service: distributionFromValues(new Float64Array(0), emptyMoments()),
        throughput: 0,
      },
    ]
    const query = '{ timingHistory { bucketStart group runs tasks failed throughput service { count p50 max } } }'
    expect((await execute(services, query)).data).toEqual({
      timingHistory: [
        {
          bucketStart: '1970-01-01T00:00:00.000Z',
          group: 'f',
          runs: 2,
          tasks: 3,
          failed: 1,
          throughput: 1.5,
          service: { count: 3, p50: 2, max: 3 },
        },
        {
          bucketStart: '1970-01-01T00:00:00.000Z',
          group: null,
          runs: 1,
          tasks: 0,
          failed: 0,
          throughput: 0,
          service: { count: 0, p50: 0, max: 0 },
        },
      ],
    })
  })

  it.each([
    ['groupBy: LABEL, label: ""', 'label: expected the name of the label that groupBy LABEL groups by'],
    ['groupBy: LABEL', 'label: expected the name of the label that groupBy LABEL groups by'],
    ['label: "team"', 'label: "team" names what groupBy LABEL groups by, and groupBy is NONE'],
    ['groupBy: HOST, label: ""', 'label: "" names what groupBy LABEL groups by, and groupBy is HOST'],
  ])('refuses %s', async (args, message) => {
    const answer = await execute(services, `{ timingHistory(${args}) { tasks } }`)
    expect(answer).toMatchObject({ messages: [message], codes: ['BAD_USER_INPUT'] })
    expect(services.runs.askedHistories).toEqual([])
  })

  it('says what to do where there are too many points', async () => {
    services.runs.history = null
    const answer = await execute(services, '{ timingHistory(bucket: MINUTE) { tasks } }')
    expect(answer.messages).toEqual([
      'timingHistory: by MINUTE and NONE there are more than 2000 points: take a longer bucket, or a filter that finds fewer runs',
    ])
  })

  it('says what to do where there are more tasks than a count can tell', async () => {
    const service = distributionFromValues(Float64Array.of(1))
    services.runs.history = [
      { bucketStart: new Date(0), group: null, runs: 2_200, tasks: 2 ** 31, failed: 0, service, throughput: 1 },
    ]
    const { messages, codes } = await execute(services, '{ timingHistory(bucket: WEEK) { tasks } }')
    expect(codes).toEqual(['BAD_USER_INPUT'])
    expect(messages).toEqual([
      'timingHistory: the WEEK from 1970-01-01T00:00:00.000Z on has 2147483648 tasks, and counts end at 2147483647: take a shorter bucket, or groups',
    ])
  })
})
