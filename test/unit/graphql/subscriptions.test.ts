import { type ExecutionResult, GraphQLError, parse, subscribe } from 'graphql'
import { describe, expect, it } from 'vitest'
import { encodeCursor } from '../../../src/domain/cursors.js'
import { comparisonId, runId, toComparisonKey } from '../../../src/domain/ids.js'
import { createContext } from '../../../src/graphql/context.js'
import { schema } from '../../../src/graphql/schema.js'
import { type TestServices, testServices } from '../../support/fake-services.js'

async function start(services: TestServices, source: string, variableValues: Record<string, unknown> = {}) {
  return subscribe({ schema, document: parse(source), variableValues, contextValue: createContext(services) })
}

type Stream = AsyncGenerator<ExecutionResult<Record<string, unknown>>>

async function refusal(services: TestServices, field: string): Promise<{ code: unknown; message: string }> {
  const result = await start(services, `subscription { ${field} }`)
  const error = 'errors' in result ? result.errors?.[0] : undefined
  if (!(error instanceof GraphQLError)) throw new Error('it was not refused')
  return { code: error.extensions.code, message: error.message }
}

describe('subscriptions', () => {
  const services = testServices()
  const { key } = services.runs.add()
  const other = services.runs.add()
  const id = JSON.stringify(runId(key))
  const foreign = encodeCursor({ order: 'ENDED', scope: other.key, position: [1] })
  const unordered = encodeCursor({ order: 'INDEX', scope: key, position: [1, 0] })

  it.each([
    [
      `runUpdated(id: ${id}, maxPerSecond: 0.09) { id }`,
      'BAD_USER_INPUT',
      'maxPerSecond: 0.09 is out of range: expected 0.1 to 60',
    ],
    [`runUpdated(id: ${id}, maxPerSecond: 60.1) { id }`, 'BAD_USER_INPUT', 'maxPerSecond: 60.1'],
    ['runUpdated(id: "run_0") { id }', 'NOT_FOUND', 'There is no run with the id "run_0"'],
    ['taskEnded(runId: "task_0") { cursor }', 'NOT_FOUND', 'There is no run'],
    ['tasksEnded(runId: "run_ffffffffffffffffffffffffffffffff") { cursor }', 'NOT_FOUND', 'There is no run'],
    [`taskEnded(runId: ${id}, after: "x") { cursor }`, 'BAD_USER_INPUT', 'after: "x" is no cursor of this list'],
    [`taskEnded(runId: ${id}, after: "${foreign}") { cursor }`, 'BAD_USER_INPUT', 'is no cursor of this list'],
    [`tasksEnded(runId: ${id}, after: "${unordered}") { cursor }`, 'BAD_USER_INPUT', 'in the order ENDED'],
    [
      `tasksEnded(runId: ${id}, maxNodes: 0) { cursor }`,
      'BAD_USER_INPUT',
      'maxNodes: 0 is out of range: expected 1 to 1000',
    ],
    [`tasksEnded(runId: ${id}, maxNodes: 1001) { cursor }`, 'BAD_USER_INPUT', 'maxNodes: 1001'],
    [`tasksEnded(runId: ${id}, maxPerSecond: 0) { cursor }`, 'BAD_USER_INPUT', 'maxPerSecond: 0'],
    ['runsUpdated(maxPerSecond: 61) { id }', 'BAD_USER_INPUT', 'maxPerSecond: 61'],
    [`comparisonUpdated(id: ${id}) { id }`, 'NOT_FOUND', 'There is no comparison with the id "run_'],
    [
      `comparisonUpdated(id: "${comparisonId(toComparisonKey('f'.repeat(32)))}") { id }`,
      'NOT_FOUND',
      'There is no comp',
    ],
    [`comparisonUpdated(id: ${id}, maxPerSecond: 61) { id }`, 'BAD_USER_INPUT', 'maxPerSecond: 61'],
  ])('refuse %s', async (field, code, message) => {
    const refused = await refusal(services, field)
    expect(refused.code).toBe(code)
    expect(refused.message).toContain(message)
    expect(services.bus.watches).toBe(0)
  })

  it('give tasks whose cursors Run.tasks takes in the order ENDED', async () => {
    const ended = testServices()
    const run = ended.runs.add()
    for (let task = 0; task < 3; task += 1) ended.runs.end(run.key)
    ended.runs.finish(run.key, 'PARTIAL')
    const one = (await start(
      ended,
      'subscription($id: ID!) { taskEnded(runId: $id) { cursor node { index input } } }',
      {
        id: runId(run.key),
      },
    )) as Stream
    const cursors: unknown[] = []
    for await (const { data, errors } of one) {
      expect(errors).toBeUndefined()
      cursors.push((data?.taskEnded as { cursor: string } | undefined)?.cursor)
    }
    const many = (await start(
      ended,
      'subscription($id: ID!, $after: String) { tasksEnded(runId: $id, after: $after) { cursor nodes { index } } }',
      {
        id: runId(run.key),
        after: cursors[0],
      },
    )) as Stream
    expect((await many.next()).value.data).toEqual({
      tasksEnded: { cursor: cursors[2], nodes: [{ index: 1 }, { index: 2 }] },
    })
    expect((await many.next()).done).toBe(true)
    expect(cursors[1]).toBe(encodeCursor({ order: 'ENDED', scope: run.key, position: [2] }))
  })

  it('take null for what is left out', async () => {
    const field = 'runUpdated(id: $id, maxPerSecond: $rate) { status }'
    const stream = (await start(services, `subscription($id: ID!, $rate: Float) { ${field} }`, {
      id: runId(key),
      rate: null,
    })) as Stream
    expect((await stream.next()).value.data).toEqual({ runUpdated: { status: 'QUEUED' } })
    await stream.return(undefined)
    expect(services.bus.watches).toBe(0)
  })

  it('give runs as they are launched', async () => {
    const launched = testServices()
    const stream = (await start(launched, 'subscription { runsUpdated(filter: { kind: [COMPUTE] }) { id } }')) as Stream
    const next = stream.next()
    const run = launched.runs.add()
    expect((await next).value.data).toEqual({ runsUpdated: { id: runId(run.key) } })
    await stream.return(undefined)
  })
})
