import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FetchOutcome } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import type { Resolve } from '../../../src/fetching/resolve.js'
import { type Origin, startOrigin } from '../../support/origin.js'
import { get } from './client.js'

let origin: Origin

beforeAll(async () => {
  origin = await startOrigin()
})

afterAll(() => origin.close())

/** Answers the lookups of each name in turn, the last answer again and again. */
function answering(names: Record<string, string[][]>): Resolve {
  const asked = new Map<string, number>()
  return async (hostname) => {
    const turn = asked.get(hostname) ?? 0
    asked.set(hostname, turn + 1)
    const answers = names[hostname] ?? []
    const addresses = answers[Math.min(turn, answers.length - 1)] ?? []
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
}

async function once(url: string, allow: string[], names: Record<string, string[][]> = {}): Promise<FetchOutcome> {
  const fetcher = createFetcher({ allow, resolve: answering(names) })
  const outcome = await get(fetcher, url)
  await fetcher.close()
  return outcome
}

describe('private destinations', () => {
  it.each([
    'http://127.0.0.1',
    'http://[::ffff:127.0.0.1]',
    'http://2130706433',
    'http://0x7f.1',
    'http://127.1',
    'http://0.0.0.0',
    'https://127.0.0.1',
  ])('%s is refused, and nothing is sent', async (base) => {
    const before = origin.connections
    const { error, detail } = await once(`${base}:${origin.port}/ok`, [])
    expect(error).toMatchObject({ code: 'DESTINATION_FORBIDDEN', retryable: false })
    expect(detail).toMatchObject({ status: null, connectMs: null })
    expect(origin.connections).toBe(before)
  })

  it('are refused where a name stands for them', async () => {
    const { error } = await once(`http://sneaky.test:${origin.port}/ok`, [], { 'sneaky.test': [['127.0.0.1', '::1']] })
    expect(error).toEqual({
      code: 'DESTINATION_FORBIDDEN',
      message: 'the destination is not public, and HEDDLE_ALLOW_HOSTS does not name it',
      retryable: false,
    })
  })

  it('are refused where a redirect leads to them', async () => {
    const names = { 'front.test': [['127.0.0.1']], 'back.test': [['127.0.0.1']] }
    for (const target of [`http://back.test:${origin.port}/ok`, `http://127.0.0.1:${origin.port}/ok`]) {
      const before = origin.requests('/ok')
      const url = `http://front.test:${origin.port}/redirect?to=${encodeURIComponent(target)}`
      const { error, detail } = await once(url, ['front.test'], names)
      expect(error?.code).toBe('DESTINATION_FORBIDDEN')
      expect(detail).toMatchObject({ finalUrl: target, redirects: 1, status: null })
      expect(origin.requests('/ok')).toBe(before)
    }
  })
})

describe('a name that changes its mind', () => {
  it('is judged by the address that is connected to, each time', async () => {
    const names = { 'rebind.test': [['127.0.0.1'], ['10.0.0.1']] }
    const fetcher = createFetcher({ allow: ['127.0.0.1'], resolve: answering(names) })
    const url = `http://rebind.test:${origin.port}/ok`
    expect((await get(fetcher, url, { headers: [{ name: 'connection', value: 'close' }] })).error).toBeNull()
    expect((await get(fetcher, url)).error?.code).toBe('DESTINATION_FORBIDDEN')
    await fetcher.close()
  })

  it('is asked once for a connection, and the address that was checked is the one that is used', async () => {
    const lookups: string[] = []
    const resolve: Resolve = async (hostname) => {
      lookups.push(hostname)
      return [{ address: lookups.length === 1 ? '127.0.0.1' : '203.0.113.1', family: 4 }]
    }
    const fetcher = createFetcher({ allow: ['127.0.0.1'], resolve })
    const { error, detail } = await get(fetcher, `http://rebind.test:${origin.port}/ok`)
    expect(error).toBeNull()
    expect(detail.dnsMs).toBeGreaterThanOrEqual(0)
    expect(lookups).toEqual(['rebind.test'])
    await fetcher.close()
  })

  it('may have an address where nobody answers before one where somebody does', async () => {
    const names = { 'two.test': [['127.0.0.2', '127.0.0.1']] }
    expect((await once(`http://two.test:${origin.port}/ok`, ['127.0.0.0/8'], names)).error).toBeNull()
  })

  it('reaches only those of its addresses that it may', async () => {
    const names = { 'mixed.test': [['10.0.0.1', '127.0.0.1', 'fd00::1']] }
    expect((await once(`http://mixed.test:${origin.port}/ok`, ['127.0.0.1'], names)).error).toBeNull()
  })
})

describe('what the owner allows', () => {
  const names = { 'own.test': [['127.0.0.1']], 'other.test': [['127.0.0.1']] }

  it('by name: that name alone', async () => {
    expect((await once(`http://own.test:${origin.port}/ok`, ['own.test'], names)).error).toBeNull()
    expect(
      (await once(`http://OWN.test.:${origin.port}/ok`, ['own.test'], { 'own.test.': [['127.0.0.1']] })).error,
    ).toBeNull()
    for (const host of ['other.test', '127.0.0.1']) {
      const { error } = await once(`http://${host}:${origin.port}/ok`, ['own.test'], names)
      expect(error?.code).toBe('DESTINATION_FORBIDDEN')
    }
  })

  it.each(['127.0.0.1', '127.0.0.0/8'])('by address: %s, under any name', async (entry) => {
    for (const host of ['own.test', 'other.test', '127.0.0.1', '[::ffff:127.0.0.1]']) {
      expect((await once(`http://${host}:${origin.port}/ok`, [entry], names)).error).toBeNull()
    }
  })

  it('is checked when the fetcher is made', () => {
    expect(() => createFetcher({ allow: ['no host', '127.0.0.1/99'] })).toThrow('"no host", "127.0.0.1/99"')
  })
})

it('resolves by the system where nothing else is said', async () => {
  const fetcher = createFetcher({ allow: ['localhost'] })
  const { error, detail } = await get(fetcher, `http://localhost:${origin.port}/ok`)
  expect(error).toBeNull()
  expect(detail).toMatchObject({ status: 200, host: `localhost:${origin.port}` })
  await fetcher.close()
})
