import { readFileSync } from 'node:fs'
import { getOperationAST, parse } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient, Launched } from '../support/api.js'
import { documentsOf } from '../support/markdown.js'
import { startTestServer, type TestServer } from '../support/server.js'

/** The operations of docs/pitfalls.md, as whoever reads it would paste them. */
const documents = documentsOf(readFileSync(new URL('../../docs/pitfalls.md', import.meta.url), 'utf8'))

function operation(name: string): string {
  const found = documents.find((document) => getOperationAST(parse(document), null)?.name?.value === name)
  if (found === undefined) throw new Error(`docs/pitfalls.md has no operation ${name}`)
  return found
}

let server: TestServer
let api: ApiClient

beforeAll(async () => {
  // The sums are left where they are: what they take is told in the page, and asserted nowhere.
  server = await startTestServer({ HEDDLE_LANES: '2', HEDDLE_DRAIN_MS: '0' })
  api = server.api
})

afterAll(() => server.close())

/** The ids of the runs that a mutation of the page launches, by alias. */
async function launch(document: string): Promise<Record<string, string>> {
  const launched = await api.ask<Record<string, Launched>>(document)
  return Object.fromEntries(
    Object.entries(launched).map(([alias, { run, userErrors }]) => {
      expect(userErrors).toEqual([])
      return [alias, run?.id ?? '']
    }),
  )
}

describe('the mutations of docs/pitfalls.md', () => {
  it('count with and without synchronization', async () => {
    const { racy = '', atomic = '' } = await launch(operation('TwoCounters'))
    const outputs: Record<string, { expected: number; counted: number; lost: number }[]> = {}
    for (const id of [racy, atomic]) {
      await api.ended(id)
      const { run } = await api.ask<{ run: { tasks: { nodes: { output: never }[] } } }>(operation('Counted'), { id })
      outputs[id] = run.tasks.nodes.map(({ output }) => output)
    }
    const exact = { expected: 8_000_000, counted: 8_000_000, lost: 0 }
    expect(outputs[atomic]).toEqual([exact, exact, exact])
    expect(outputs[racy]).toHaveLength(3)
    for (const { expected, counted, lost } of outputs[racy] ?? [])
      expect([expected, counted + lost]).toEqual([8e6, 8e6])
  })

  it('reduce to what the page says, exactly', async () => {
    const { counted = '', summed = '' } = await launch(operation('OwnCounters'))
    for (const [id, reduction] of [
      [counted, 10_000],
      [summed, 833_000_041_665_000],
    ] as const) {
      await api.ended(id)
      expect(await api.ask(operation('Reduced'), { id })).toEqual({ run: { status: 'SUCCEEDED', reduction } })
    }
  })

  it('compute with the strategies and lanes that the page says', async () => {
    const asked: unknown[] = []
    for (const name of ['OneEventLoop', 'TwoThreads', 'SixteenLanes']) {
      const [id = ''] = Object.values(await launch(operation(name)))
      await api.running(id, 1)
      const { run } = await api.ask<{ run: Record<string, unknown> }>(operation('Figures'), { id })
      asked.push([run.effectiveStrategy, run.lanes, run.concurrency])
    }
    expect(asked).toEqual([
      ['ASYNC', 1, 16],
      ['THREADS', 2, 2],
      ['THREADS', 16, 16],
    ])
  })
})
