import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Connector, type Target } from '../../../src/fetching/connector.js'
import { createDestinationPolicy } from '../../../src/fetching/destination.js'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { OriginPool, Pools } from '../../../src/fetching/pools.js'
import { CERTIFICATE } from '../../support/certificate.js'
import { type Origin, startOrigin } from '../../support/origin.js'
import { get } from './client.js'

let origin: Origin
let fetcher: Fetcher

beforeEach(async () => {
  origin = await startOrigin()
  fetcher = createFetcher({ allow: ['127.0.0.1'] })
})

afterEach(async () => {
  await fetcher.close()
  await origin.close()
})

async function many(path: string, count: number, inFlight: number): Promise<(string | undefined)[]> {
  const codes: (string | undefined)[] = []
  let left = count
  const worker = async () => {
    while (left > 0) {
      left -= 1
      codes.push((await get(fetcher, origin.url + path)).error?.code)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return codes
}

describe('connections', () => {
  it('are as many as requests in flight, and kept', async () => {
    const codes = await many('/ok', 400, 8)
    expect(new Set(codes)).toEqual(new Set([undefined]))
    expect(codes).toHaveLength(400)
    expect(origin.connections).toBeLessThanOrEqual(8)
    expect(origin.requests('/ok')).toBe(400)
  })

  it('are kept after an answer that failed', async () => {
    await many('/status?code=500&n=1000', 10, 1)
    await many('/redirect', 10, 1)
    await many('/corrupt?as=gzip', 10, 1)
    expect(origin.connections).toBe(1)
  })

  it('are not kept where the body was left', async () => {
    const options = { maxBytes: 2 }
    expect((await get(fetcher, `${origin.url}/hold-body`, { options })).error?.code).toBe('BODY_TOO_LARGE')
    await origin.abandoned('/hold-body')
    expect((await get(fetcher, `${origin.url}/ok`)).detail.reusedConnection).toBe(false)
    // None but these two: what is left is not opened again for nothing.
    expect(origin.connections).toBe(2)
  })

  it('are opened again where the origin has closed them', async () => {
    await get(fetcher, `${origin.url}/ok`)
    const { error, detail } = await get(fetcher, `${origin.url}/gone?how=end`, { method: 'POST' })
    expect(error?.code).toBe('CONNECTION_RESET')
    expect(detail.reusedConnection).toBe(true)
    expect((await get(fetcher, `${origin.url}/ok`)).detail).toMatchObject({ reusedConnection: false, status: 200 })
  })
})

describe('a connection that the origin closes as the request goes out', () => {
  // Whether the origin has seen it nobody can tell: the run tries again, if it may, and counts it.
  it.each(['GET', 'PUT', 'POST'])('fails a %s, which is sent once', async (method) => {
    await get(fetcher, `${origin.url}/ok`)
    const { error, detail } = await get(fetcher, `${origin.url}/race`, { method })
    expect(error?.code).toBe('CONNECTION_RESET')
    expect(detail).toMatchObject({ status: null, reusedConnection: true })
    expect(origin.requests('/race')).toBe(1)
    expect((await get(fetcher, `${origin.url}/race`, { method })).error).toBeNull()
    expect(origin.connections).toBe(2)
  })
})

describe('abort', () => {
  it.each(['/hold', '/hold-body'])('ends the request at %s on the socket', async (path) => {
    const abort = new AbortController()
    const running = get(fetcher, origin.url + path, { signal: abort.signal })
    await origin.arrived(path)
    abort.abort()
    expect((await running).error).not.toBeNull()
    await origin.abandoned(path)
  })

  it('ends all requests of its signal and no other', async () => {
    const [one, other] = [new AbortController(), new AbortController()]
    const mine = [1, 2, 3].map(() => get(fetcher, `${origin.url}/hold`, { signal: one.signal }))
    const others = [1, 2].map(() => get(fetcher, `${origin.url}/hold`, { signal: other.signal }))
    await origin.arrived('/hold', 5)
    one.abort()
    for (const { error } of await Promise.all(mine)) expect(error).toMatchObject({ retryable: false })
    origin.release('/hold')
    for (const { error } of await Promise.all(others)) expect(error).toBeNull()
  })

  it('before the start sends nothing', async () => {
    expect((await get(fetcher, `${origin.url}/ok`, { signal: AbortSignal.abort() })).error).not.toBeNull()
    expect((await get(fetcher, `${origin.url}/json?i=1`)).error).toBeNull()
    expect(origin.requests()).toBe(1)
  })

  it('ends a request that is still looking up its host', async () => {
    const abort = new AbortController()
    let asked: () => void = () => undefined
    const lookedUp = new Promise<void>((resolve) => {
      asked = resolve
    })
    const stuck = createFetcher({
      allow: [],
      resolve: () => {
        asked()
        return new Promise(() => undefined)
      },
    })
    const running = get(stuck, 'http://name.test/', { signal: abort.signal })
    await lookedUp
    abort.abort()
    expect((await running).error).not.toBeNull()
    await stuck.close()
  })
})

describe('close', () => {
  it('ends what is under way, closes the connections, and lets nothing in afterwards', async () => {
    await many('/ok', 4, 4)
    const running = get(fetcher, `${origin.url}/hold`)
    await origin.arrived('/hold')
    await fetcher.close()
    expect((await running).error?.code).toBe('CONNECTION_RESET')
    await origin.abandoned('/hold')
    const late = await get(fetcher, `${origin.url}/ok`)
    expect(late.error).toMatchObject({ code: 'CONNECTION_RESET', message: 'the fetcher is closed' })
    await fetcher.close()
  })
})

describe('pools', () => {
  const connector = new Connector({ policy: createDestinationPolicy([]) })
  const pools = new Pools(connector)
  afterAll(() => pools.close())

  it('are one for each origin', () => {
    expect(pools.of('http://a.test', 1)).toBe(pools.of('http://a.test', 2))
    expect(pools.of('http://a.test', 3)).not.toBe(pools.of('https://a.test', 3))
  })

  it('are forgotten where there are too many: the eldest that is not in use', () => {
    const bounded = new Pools(connector)
    const [eldest, second, busy] = ['http://1.test', 'http://2.test', 'http://0.test'].map((name, place) =>
      bounded.of(name, 3 - place),
    ) as [OriginPool, OriginPool, OriginPool]
    const connection = busy.take()
    for (let i = 3; i < 256; i += 1) bounded.of(`http://${i}.test`, 10)
    bounded.of('http://last.test', 10)
    expect(bounded.of('http://0.test', 10)).toBe(busy)
    expect(bounded.of('http://1.test', 10)).toBe(eldest)
    expect(bounded.of('http://2.test', 10)).not.toBe(second)
    busy.release(connection)
    return bounded.close()
  })

  it('give out again what is alive, the last one first', () => {
    const pool = new OriginPool('http://a.test', connector)
    const taken = pool.take()
    expect(pool.busy).toBe(true)
    pool.release(taken)
    expect(pool.busy).toBe(false)
    // It was never opened: there is nothing to use again.
    expect(pool.take()).not.toBe(taken)
    return pool.close()
  })
})

describe('the connector', () => {
  let secure: Origin
  beforeAll(async () => {
    secure = await startOrigin({ tls: true })
  })
  afterAll(() => secure.close())

  function open(connector: Connector, target: Partial<Target>) {
    const whole = { hostname: 'secure.test', port: String(secure.port), protocol: 'https:', ...target }
    return new Promise<{ code: string | null; resumed: boolean }>((resolve) => {
      connector.open(whole, (failure, socket) => {
        const resumed = (socket as unknown as { isSessionReused?(): boolean }).isSessionReused?.() ?? false
        // The ticket comes with the first data.
        if (failure) resolve({ code: failure.code, resumed })
        else {
          socket.once('data', () => resolve({ code: null, resumed })).on('end', () => socket.destroy())
          socket.write('GET /ok HTTP/1.1\r\nhost: secure.test\r\nconnection: close\r\n\r\n')
        }
      })
    })
  }

  it('looks a name up once for those who ask at the same time, and takes a TLS session up again', async () => {
    let lookups = 0
    const resolve = async () => {
      lookups += 1
      return [{ address: '127.0.0.1', family: 4 }]
    }
    const policy = createDestinationPolicy(['127.0.0.1'])
    const connector = new Connector({ policy, resolve, ca: CERTIFICATE })
    const first = await Promise.all([1, 2, 3].map(() => open(connector, {})))
    expect(first.map((one) => one.code)).toEqual([null, null, null])
    expect(lookups).toBe(1)
    expect((await open(connector, {})).resumed).toBe(true)
    expect(lookups).toBe(2)
  })

  it('fails once what was being opened when it closes', async () => {
    const connector = new Connector({
      policy: createDestinationPolicy([]),
      resolve: () => new Promise(() => undefined),
    })
    const opening = open(connector, {})
    connector.close()
    expect((await opening).code).toBe('CONNECTION_RESET')
  })
})
