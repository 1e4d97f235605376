import { describe, expect, it } from 'vitest'
import { NO_LOAD } from '../../../src/domain/lane-load.js'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { FunctionRegistry } from '../../../src/functions/registry.js'
import { Authors } from '../../../src/lanes/authors.js'
import type { FromLane } from '../../../src/lanes/messages.js'
import { Session } from '../../../src/lanes/session.js'

/** A session whose every loading is the test's to let go on. */
function setUp() {
  const log: string[] = []
  let letStart = () => {}
  const started = new Promise<void>((resolve) => {
    letStart = resolve
  })
  let fetchers = 0
  const openFetcher = async (): Promise<Fetcher> => {
    fetchers += 1
    const name = `fetcher ${fetchers}`
    log.push(`${name} opened`)
    return {
      fetch: () => {
        throw new Error('nothing is to be sent')
      },
      close: async () => void log.push(`${name} closed`),
    }
  }
  const loaded = {
    file: 'builtin',
    info: { name: 'act', description: '', inputSchema: true, outputSchema: null, example: null },
    numberRule: null,
    validate: () => [],
    prepare: () => void log.push('act compiled'),
    fn: {
      name: 'act',
      description: '',
      inputSchema: true,
      run: () => {
        throw new Error('nothing is to be run')
      },
    },
  }
  const session = new Session({
    registry: new FunctionRegistry(new Map([['act', loaded]])),
    openFetcher,
    started,
    stagingDir: '/nowhere',
    slateFor: () => ({ mark: () => {}, progress: () => {}, wipe: () => {} }),
    cpu: null,
    authors: new Authors(),
    load: () => NO_LOAD,
    epochOfZeroMs: 0,
    send: ({ kind }: FromLane) => void log.push(kind),
  })
  const settle = () => new Promise((resolve) => setImmediate(resolve))
  return { session, log, letStart, settle }
}

describe('a session that is to be prepared', () => {
  it('loads what it will need, runs and sends nothing, and says so when its own start is over', async () => {
    const { session, log, letStart, settle } = setUp()
    session.handle({ kind: 'prepare', works: [{ kind: 'COMPUTE', function: 'act' }, { kind: 'FETCH' }] })
    await settle()
    expect(log).toEqual(['act compiled', 'fetcher 1 opened'])
    letStart()
    await settle()
    expect(log.at(-1)).toBe('prepared')
  })

  it('lets go of its connections each time, and has a fetcher only where one is needed', async () => {
    const { session, log, letStart, settle } = setUp()
    letStart()
    for (const works of [[{ kind: 'FETCH' as const }], [{ kind: 'FETCH' as const }], []]) {
      session.handle({ kind: 'prepare', works })
      await settle()
    }
    expect(log.filter((line) => line !== 'prepared')).toEqual([
      'fetcher 1 opened',
      'fetcher 1 closed',
      'fetcher 2 opened',
      'fetcher 2 closed',
    ])
    expect(log.filter((line) => line === 'prepared')).toHaveLength(3)
  })

  it('leaves it to the job to say that a function is gone', async () => {
    const { session, log, letStart, settle } = setUp()
    letStart()
    session.handle({ kind: 'prepare', works: [{ kind: 'COMPUTE', function: 'gone' }] })
    await settle()
    expect(log).toEqual(['prepared'])
  })
})
