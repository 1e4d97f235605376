import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiClient } from '../support/api.js'
import { startTestServer, type TestServer } from '../support/server.js'

const TOKENS = { one: 'one-of-the-clients', other: 'the-other-client', owner: 'owner' }

let server: TestServer
let one: ApiClient
let other: ApiClient

beforeAll(async () => {
  const { one: first, other: second, owner } = TOKENS
  server = await startTestServer({
    HOST: '0.0.0.0',
    HEDDLE_TOKENS: `${first}:read+launch, ${second}:read+launch, ${owner}:admin`,
  })
  const url = server.app.url.replace('0.0.0.0', '127.0.0.1')
  one = new ApiClient(url, first)
  other = new ApiClient(url, second)
})

afterAll(() => server.close())

const launch = (api: ApiClient, count: number) =>
  api.launchCompute({
    function: 'sumOfSquares',
    source: { range: { from: 0, to: count } },
    options: { idempotencyKey: 'daily' },
  })

describe('the clients of one server', () => {
  it('have idempotency keys of their own, over a restart too', async () => {
    const mine = await launch(one, 3)
    const theirs = await launch(other, 5)
    expect([mine.userErrors, theirs.userErrors]).toEqual([[], []])
    expect(theirs.run?.id).not.toBe(mine.run?.id)
    await server.restart()
    const url = server.app.url.replace('0.0.0.0', '127.0.0.1')
    one = new ApiClient(url, TOKENS.one)
    expect(await launch(one, 3)).toMatchObject({ deduplicated: true, run: { id: mine.run?.id } })
    expect((await launch(one, 4)).userErrors).toMatchObject([{ code: 'IDEMPOTENCY_CONFLICT' }])
  })

  it('see each other’s runs, and delete none without the scope', async () => {
    const id = await one.finish(one.launchCompute({ function: 'sumOfSquares', source: { inputs: [3] } }))
    const deletion = 'mutation($id: ID!) { deleteRun(id: $id) { deletedRunId userErrors { code } } }'
    expect(await one.refusal(deletion, { id })).toEqual(['FORBIDDEN'])
    expect(await one.run(id, 'status')).toEqual({ status: 'SUCCEEDED' })
    const owner = new ApiClient(one.url, TOKENS.owner)
    expect(await owner.refusal('query($id: ID!) { run(id: $id) { status } }', { id })).toEqual(['FORBIDDEN'])
    expect(await owner.ask(deletion, { id })).toEqual({ deleteRun: { deletedRunId: id, userErrors: [] } })
  })

  it('are warned of short tokens, and no token is logged or stored', async () => {
    const warnings = server.logged.map(({ msg }) => msg)
    expect(warnings).toContain('HEDDLE_TOKENS: tokens of fewer than 16 characters can be guessed: 1')
    expect(JSON.stringify(server.logged)).not.toMatch(/one-of-the|other-client/)
  })
})
