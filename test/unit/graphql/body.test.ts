import { execute as executeOperation, parse, subscribe } from 'graphql'
import { describe, expect, it } from 'vitest'
import type { BodyPolicy } from '../../../src/domain/batch.js'
import { runId } from '../../../src/domain/ids.js'
import { createContext } from '../../../src/graphql/context.js'
import { schema } from '../../../src/graphql/schema.js'
import { execute } from '../../support/execute.js'
import { batchSpec } from '../../support/fake-runs.js'
import { type TestServices, testServices } from '../../support/fake-services.js'
import { fetchDetail } from '../../support/store.js'

const HASH = 'ab'.repeat(32)
const MIB = 1024 * 1024

/** An ended run with so many tasks whose bodies say that they are this long. */
function storing(
  count: number,
  {
    bytes,
    bodyPolicy = 'STORE',
    contentType = fetchDetail.contentType,
  }: { bytes: number; bodyPolicy?: BodyPolicy; contentType?: string | null },
) {
  const services = testServices()
  const fetch = { bodyPolicy, maxBytes: 1e9, maxRedirects: 5, headers: [], okStatuses: null }
  const run = services.runs.add({
    spec: batchSpec({ kind: 'FETCH', stages: [{ kind: 'FETCH', name: 'fetch', fetch }] }),
  })
  const detail = { ...fetchDetail, bytes, sha256: HASH, contentType }
  for (let index = 0; index < count; index += 1) services.runs.end(run.key, { output: null, fetch: detail })
  services.runs.bodies.set(HASH, Buffer.from('text'))
  return { services, run, ask: (fields: string) => ask(services, runId(run.key), fields) }
}

async function ask(services: TestServices, id: string, fields: string) {
  const { data, messages, codes } = await execute<{ run: { tasks: { nodes: Record<string, string | null>[] } } }>(
    services,
    `query($id: ID!) { run(id: $id) { tasks(first: 1000) { nodes { ${fields} } } } }`,
    { id },
  )
  return { nodes: data.run?.tasks.nodes, messages, codes }
}

describe('Task.body', () => {
  it('is the text, and Task.bodyUrl the way to the bytes', async () => {
    const { ask } = storing(1, { bytes: 4 })
    expect((await ask('body bodyUrl')).nodes).toEqual([{ body: 'text', bodyUrl: `/blobs/${HASH}` }])
    expect((await ask('a: body(maxBytes: 2) b: body(maxBytes: 0) c: body(maxBytes: null)')).nodes).toEqual([
      { a: 'te', b: '', c: 'text' },
    ])
  })

  it('is decoded in turns where it is long, wherever its characters lie', async () => {
    const text = `a${'日本😀'.repeat(60_000)}`
    const bytes = Buffer.from(text)
    const { services, ask } = storing(1, { bytes: bytes.length })
    services.runs.bodies.set(HASH, bytes)
    const asked = ask('body')
    let turns = 0
    let done = false
    void asked.then(() => {
      done = true
    })
    for (; !done; turns += 1) await new Promise((resolve) => setImmediate(resolve))
    expect((await asked).nodes).toEqual([{ body: text }])
    expect(turns).toBeGreaterThan(4)
    services.runs.bodies.set(HASH, Buffer.concat([bytes.subarray(0, -1)]))
    expect((await ask('body')).nodes?.[0]?.body).toBe(text.slice(0, -2))
  })

  it.each(['DISCARD', 'JSON', 'TEXT'] as const)('is null with %s, though there is a hash', async (bodyPolicy) => {
    const { ask } = storing(1, { bytes: 4, bodyPolicy })
    expect((await ask('body bodyUrl')).nodes).toEqual([{ body: null, bodyUrl: null }])
  })

  it('is decoded where its last bytes make the character before them none', async () => {
    const bytes = Buffer.concat([Buffer.alloc(131_070, 'a'), Buffer.from('ac336c', 'hex')])
    const { services, ask } = storing(1, { bytes: bytes.length, contentType: 'text/plain; charset=gb18030' })
    services.runs.bodies.set(HASH, bytes)
    const { nodes, messages } = await ask('body')
    expect({ messages, end: nodes?.[0]?.body?.slice(131_069) }).toEqual({ messages: [], end: 'a\ufffd3l' })
  })

  it('is null where the task failed, where it has no hash, and where the file is gone', async () => {
    const { services, run, ask } = storing(1, { bytes: 4 })
    services.runs.bodies.clear()
    const detail = { ...fetchDetail, sha256: HASH }
    services.runs.end(run.key, {
      status: 'FAILED',
      fetch: detail,
      error: { code: 'HTTP_STATUS', message: '', retryable: false },
    })
    services.runs.end(run.key, { fetch: { ...detail, sha256: null } })
    expect((await ask('body')).nodes).toEqual([{ body: null }, { body: null }, { body: null }])
    expect((await ask('bodyUrl')).nodes).toEqual([{ bodyUrl: `/blobs/${HASH}` }, { bodyUrl: null }, { bodyUrl: null }])
  })

  it.each([-1, 16 * MIB + 1])('refuses to be cut at %i', async (maxBytes) => {
    const { codes, messages } = await storing(1, { bytes: 4 }).ask(`body(maxBytes: ${maxBytes})`)
    expect(codes).toEqual(['BAD_USER_INPUT'])
    expect(messages).toEqual([`maxBytes: ${maxBytes} is out of range: expected 0 to 16777216`])
  })

  it('comes with others up to 64 MiB in one answer, by what is asked of each', async () => {
    const all = { bytes: 20 * MIB }
    expect((await storing(4, all).ask('body(maxBytes: 16777216)')).messages).toEqual([])
    const five = await storing(5, all).ask('body(maxBytes: 16777216)')
    expect(five.codes).toEqual(['BAD_USER_INPUT'])
    expect(five.messages[0]).toBe(
      'the bodies of one answer are more than 67108864 bytes together: ask for fewer tasks, for less of each (maxBytes), or get them from bodyUrl',
    )
    expect((await storing(64, all).ask('body')).messages).toEqual([])
    expect((await storing(1000, { bytes: 60_000 }).ask('body')).messages).toEqual([])
  })

  it('has the whole measure in each answer of one client, and in each event of a subscription', async () => {
    const { services, run, ask } = storing(4, { bytes: 20 * MIB })
    services.runs.finish(run.key, 'SUCCEEDED')
    for (let time = 0; time < 3; time += 1) expect((await ask('body(maxBytes: 16777216)')).messages).toEqual([])
    const three = '{ node { a: body(maxBytes: 16777216) b: body(maxBytes: 16777216) c: body(maxBytes: 16777216) } }'
    const document = parse(`subscription($id: ID!) { taskEnded(runId: $id) ${three} }`)
    const variableValues = { id: runId(run.key) }
    const events = await subscribe({ schema, document, variableValues, contextValue: createContext(services) })
    if (!(Symbol.asyncIterator in events)) throw new Error(JSON.stringify(events))
    let count = 0
    for await (const { errors } of events) {
      expect(errors).toBeUndefined()
      count += 1
    }
    expect(count).toBe(4)
    // Executed with one context, as a transport may do it.
    const contextValue = createContext(services)
    const query = parse('query($id: ID!) { run(id: $id) { tasks { nodes { body(maxBytes: 16777216) } } } }')
    for (let time = 0; time < 2; time += 1) {
      const { errors } = await executeOperation({ schema, document: query, variableValues, contextValue })
      expect(errors).toBeUndefined()
    }
  })
})

describe('Mutation.deleteRun', () => {
  const DELETE = 'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code message field } } }'

  it('answers with the id of what is gone', async () => {
    const { services, run } = storing(1, { bytes: 4 })
    const id = runId(run.key)
    expect((await execute(services, DELETE, { id })).data).toEqual({ deleteRun: { deletedRunId: id, userErrors: [] } })
    expect((await execute(services, 'query($id: ID!) { node(id: $id) { id } }', { id })).data).toEqual({ node: null })
  })

  it.each(['', 'run_', 'task_00000000000040008000000000000001_0_0', 'x'.repeat(500)])(
    'finds no run at %j',
    async (id) => {
      const { data } = await execute(testServices(), DELETE, { id })
      expect(data).toEqual({
        deleteRun: {
          deletedRunId: null,
          userErrors: [
            {
              code: 'NOT_FOUND',
              message: `there is no run with the id ${JSON.stringify(id.slice(0, 100))}`,
              field: ['id'],
            },
          ],
        },
      })
    },
  )
})
