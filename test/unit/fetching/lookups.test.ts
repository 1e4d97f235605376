import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Lookup, Lookups } from '../../../src/fetching/lookups.js'
import { askNameServers, listedIn } from '../../../src/fetching/name-servers.js'
import type { ResolvedAddress } from '../../../src/fetching/resolve.js'

/** A resolver that answers when the test has it answer. */
class Resolver {
  readonly asked: string[] = []
  readonly #open = new Map<string, { resolve(found: ResolvedAddress[]): void; reject(error: Error): void }>()

  readonly resolve = (hostname: string, signal: AbortSignal) => {
    this.asked.push(hostname)
    return new Promise<readonly ResolvedAddress[]>((resolve, reject) => {
      this.#open.set(hostname, { resolve, reject })
      signal.addEventListener('abort', () => this.cancelled.push(hostname))
    })
  }
  readonly cancelled: string[] = []

  answer(hostname: string, ...addresses: string[]): void {
    this.#open.get(hostname)?.resolve(addresses.map((address) => ({ address, family: 4 })))
  }

  fail(hostname: string): void {
    this.#open.get(hostname)?.reject(new Error(`there is no ${hostname}`))
  }
}

let system: Resolver
let servers: Resolver
let lookups: Lookups
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  system = new Resolver()
  servers = new Resolver()
  lookups = new Lookups({ resolve: system.resolve, resolveDirectly: servers.resolve })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Promises that are settled have been heard. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

async function found({ addresses }: Lookup): Promise<string[]> {
  return (await addresses).map(({ address }) => address)
}

describe('a lookup', () => {
  it('is one for all who ask at the same time, and another one after it', async () => {
    const [one, other] = [lookups.find('a.test'), lookups.find('a.test')]
    expect(system.asked).toEqual(['a.test'])
    system.answer('a.test', '192.0.2.1')
    expect(await found(one)).toEqual(['192.0.2.1'])
    expect(await found(other)).toEqual(['192.0.2.1'])
    await settle()
    const later = lookups.find('a.test')
    expect(system.asked).toEqual(['a.test', 'a.test'])
    system.fail('a.test')
    await expect(later.addresses).rejects.toThrow('there is no a.test')
    vi.advanceTimersByTime(10_000)
    expect(servers.asked).toEqual([])
  })

  it('waits where four are under way, and is forgotten where nobody waits for it', async () => {
    for (const name of ['1', '2', '3', '4']) lookups.find(name)
    const given = lookups.find('given up')
    const next = lookups.find('next')
    expect(system.asked).toEqual(['1', '2', '3', '4'])
    given.leave()
    given.leave()
    await expect(given.addresses).rejects.toThrow('not looked up')
    system.answer('2', '192.0.2.2')
    await settle()
    expect(system.asked.slice(4)).toEqual(['next'])
    system.answer('next', '192.0.2.3')
    expect(await found(next)).toEqual(['192.0.2.3'])
  })
})

describe('a lookup that takes long', () => {
  it('asks name servers as well, and takes what comes first', async () => {
    const [slow, slower] = [lookups.find('slow.test'), lookups.find('slower.test')]
    vi.advanceTimersByTime(999)
    expect(servers.asked).toEqual([])
    vi.advanceTimersByTime(1)
    expect(servers.asked).toEqual(['slow.test', 'slower.test'])
    servers.answer('slow.test', '192.0.2.1')
    expect(await found(slow)).toEqual(['192.0.2.1'])
    system.answer('slower.test', '192.0.2.2')
    expect(await found(slower)).toEqual(['192.0.2.2'])
    await settle()
    expect(servers.cancelled).toContain('slower.test')
  })

  it('leaves it to the system whether there is such a name', async () => {
    const [failing, empty] = [lookups.find('failing.test'), lookups.find('empty.test')]
    vi.advanceTimersByTime(1000)
    servers.fail('failing.test')
    servers.answer('empty.test')
    await settle()
    system.answer('failing.test', '192.0.2.1')
    system.fail('empty.test')
    expect(await found(failing)).toEqual(['192.0.2.1'])
    await expect(empty.addresses).rejects.toThrow('there is no empty.test')
  })

  it('holds up nobody: those that come later ask name servers at once', async () => {
    for (const name of ['1', '2', '3', '4']) lookups.find(`hangs${name}.test`)
    const waiting = lookups.find('waits.test')
    vi.advanceTimersByTime(1001)
    const later = lookups.find('later.test')
    vi.advanceTimersByTime(1)
    expect(system.asked).toHaveLength(4)
    servers.answer('waits.test', '192.0.2.1')
    servers.answer('later.test', '192.0.2.2')
    expect(await found(waiting)).toEqual(['192.0.2.1'])
    expect(await found(later)).toEqual(['192.0.2.2'])
  })

  it('goes on when all have left it, and is there for whoever comes next', async () => {
    const gone = lookups.find('hangs.test')
    vi.advanceTimersByTime(1000)
    gone.leave()
    expect(servers.cancelled).toEqual(['hangs.test'])
    const next = lookups.find('hangs.test')
    vi.advanceTimersByTime(1000)
    expect(system.asked).toEqual(['hangs.test'])
    expect(servers.asked).toEqual(['hangs.test', 'hangs.test'])
    system.answer('hangs.test', '192.0.2.1')
    expect(await found(next)).toEqual(['192.0.2.1'])
  })

  it('asks nobody else where the resolver is the caller’s own', () => {
    lookups = new Lookups({ resolve: system.resolve })
    lookups.find('slow.test').leave()
    lookups.find('slow.test')
    vi.advanceTimersByTime(10_000)
    expect(system.asked).toEqual(['slow.test'])
  })
})

describe('name servers', () => {
  const HOSTS =
    '127.0.0.1 localhost\n::1\tip6-localhost  Box.Test # mine\n#1.2.3.4 box.test\nnonsense box.test\n10.0.0.1 box.test'

  it('are not asked for what the hosts file has', () => {
    expect(listedIn(HOSTS, 'box.test')).toEqual([
      { address: '::1', family: 6 },
      { address: '10.0.0.1', family: 4 },
    ])
    expect(listedIn(HOSTS, 'mine')).toEqual([])
  })

  it.each(['a-single-word', 'printer.local', 'a.localhost'])('are not asked for %s', async (name) => {
    expect(await askNameServers(name, new AbortController().signal)).toEqual([])
  })

  it('are not asked where nobody waits any more', async () => {
    expect(await askNameServers('a.test', AbortSignal.abort())).toEqual([])
  })
})
