import { parse, subscribe } from 'graphql'
import { describe, expect, it } from 'vitest'
import { runId } from '../../../src/domain/ids.js'
import type { LaneTimeline } from '../../../src/domain/timeline.js'
import { createContext } from '../../../src/graphql/context.js'
import { schema } from '../../../src/graphql/schema.js'
import { execute } from '../../support/execute.js'
import { testServices } from '../../support/fake-services.js'

const TIMELINE: LaneTimeline[] = [
  {
    lane: 'thread-1',
    busyFraction: 0.75,
    spans: [
      { index: 3, stage: 0, startMs: 0, endMs: 12.5, status: 'SUCCEEDED', tasks: 4 },
      { index: 9, stage: 1, startMs: 14.25, endMs: 20, status: 'FAILED', tasks: 0 },
    ],
  },
  { lane: 'thread-2', busyFraction: 0, spans: [] },
]

function setup() {
  const services = testServices()
  const { key } = services.runs.add()
  services.runs.setTimeline(key, TIMELINE)
  const ask = (args: string, fields = 'lane') =>
    execute<{ run: { timeline: unknown } | null }>(
      services,
      `query($id: ID!) { run(id: $id) { timeline${args} { ${fields} } } }`,
      { id: runId(key) },
    )
  return { services, ask }
}

describe('Run.timeline', () => {
  it('tells of each lane what ran when', async () => {
    const { ask } = setup()
    const { data, codes } = await ask('', 'lane busyFraction spans { index stage startMs endMs status tasks }')
    expect(codes).toEqual([])
    expect(data.run?.timeline).toEqual(TIMELINE)
  })

  it('is of 2,000 spans where nothing else is said, and of as many as are asked for', async () => {
    const { services, ask } = setup()
    for (const args of ['', '(maxSpans: null)', '(maxSpans: 1)', '(maxSpans: 10000)']) await ask(args)
    expect(services.runs.askedSpans).toEqual([2_000, 2_000, 1, 10_000])
  })

  it.each([0, -1, 10_001])('refuses %i spans, and says what is possible', async (maxSpans) => {
    const { services, ask } = setup()
    const { codes, messages } = await ask(`(maxSpans: ${maxSpans})`)
    expect(codes).toEqual(['BAD_USER_INPUT'])
    expect(messages).toEqual([`maxSpans: ${maxSpans} is out of range: expected 1 to 10000`])
    expect(services.runs.askedSpans).toEqual([])
  })

  it('is of 100,000 spans in one answer, over all runs and however often each is asked for', async () => {
    const { services, ask } = setup()
    for (let more = 0; more < 4; more += 1) services.runs.add()
    const page = (fields: string) => execute(services, `{ runs(first: 1000) { nodes { ${fields} } } }`)
    const twice = 'a: timeline(maxSpans: 10000) { lane } b: timeline(maxSpans: 10000) { lane }'
    expect((await page(twice)).codes).toEqual([])
    expect(services.runs.askedSpans).toHaveLength(10)
    services.runs.add()
    const { codes, messages } = await page(twice)
    expect(new Set(codes)).toEqual(new Set(['BAD_USER_INPUT']))
    expect(messages[0]).toBe(
      'maxSpans: 10000 besides the 100000 asked for in this answer so far is more than 100000: ask for fewer timelines, or for fewer spans of each',
    )
    expect(services.runs.askedSpans).toHaveLength(20)
    expect((await ask('')).codes).toEqual([])
  })

  it('has all of these spans in each event of a subscription', async () => {
    const { services } = setup()
    const { key } = services.runs.add()
    for (let index = 0; index < 3; index += 1) services.runs.end(key)
    services.runs.finish(key, 'SUCCEEDED')
    const pictures = Array.from({ length: 10 }, (_, at) => `t${at}: timeline(maxSpans: 10000) { lane }`).join(' ')
    const document = parse(`subscription($id: ID!) { taskEnded(runId: $id) { node { run { ${pictures} } } } }`)
    const contextValue = createContext(services)
    const events = await subscribe({ schema, document, variableValues: { id: runId(key) }, contextValue })
    if (!(Symbol.asyncIterator in events)) throw new Error(JSON.stringify(events))
    let count = 0
    for await (const { errors } of events) {
      expect(errors).toBeUndefined()
      count += 1
    }
    expect(count).toBe(3)
  })
})
