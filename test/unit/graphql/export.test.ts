import { graphql } from 'graphql'
import { expect, it } from 'vitest'
import type { Scope } from '../../../src/domain/access.js'
import { runId } from '../../../src/domain/ids.js'
import { createContext } from '../../../src/graphql/context.js'
import { schema } from '../../../src/graphql/schema.js'
import { testServices } from '../../support/fake-services.js'

const services = testServices()
const run = services.runs.add()

async function urlFor(space: string, ...scopes: Scope[]) {
  const caller = {
    identity: { space, scopes: new Set(scopes) },
    isSafe: false,
    transport: 'SSE' as const,
    leaves: () => new AbortController().signal,
  }
  const source = `{ run(id: "${runId(run.key)}") { csv: exportUrl(format: CSV) trace: exportUrl(format: TRACE) } }`
  const { data, errors } = await graphql({ schema, source, contextValue: createContext(services, caller) })
  return { run: data?.run as { csv: string; trace: string } | undefined, errors }
}

it('is a path without tokens', async () => {
  const { run: urls } = await urlFor('', 'read', 'launch', 'admin')
  expect(urls).toEqual({
    csv: `/runs/${runId(run.key)}/export.csv`,
    trace: `/runs/${runId(run.key)}/export.trace.json`,
  })
})

it('is a link of the token that asks', async () => {
  const { run: urls } = await urlFor('reader', 'read')
  const { pathname, searchParams } = new URL(urls?.csv ?? '', 'http://localhost')
  expect(pathname).toBe(`/runs/${runId(run.key)}/export.csv`)
  const [expires, signature] = [searchParams.get('expires') ?? '', searchParams.get('signature') ?? '']
  const link = { run: run.key, format: 'CSV', expires, signature } as const
  const nowMs = services.clock.now().getTime()
  expect(Number(expires)).toBe(Math.floor(nowMs / 1000) + 3_600)
  expect(services.links.check(link, ['reader'], nowMs)).toEqual({ space: 'reader' })
  expect(services.links.check(link, ['other'], nowMs)).toEqual({ refused: 'FORGED' })
})

it('is not for a token that may launch alone, which a mutation answers with the run', async () => {
  const { runs } = services
  runs.launchOutcome = { run: runs.engine.view(run), deduplicated: false, userErrors: [] }
  const source = `mutation { retryRun(id: "${runId(run.key)}") { run { id exportUrl(format: CSV) } } }`
  const caller = {
    identity: { space: 'launcher', scopes: new Set<Scope>(['launch']) },
    isSafe: false,
    transport: 'SSE' as const,
    leaves: () => new AbortController().signal,
  }
  const { data, errors } = await graphql({ schema, source, contextValue: createContext(services, caller) })
  expect(errors?.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN'])
  expect(JSON.stringify(data)).not.toContain('signature')
})
