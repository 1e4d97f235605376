import { describe, expect, it } from 'vitest'
import { ConfigError, readCommandLine, readConfig, SETTINGS } from '../../src/config.js'

function problemsOf(read: () => unknown): readonly string[] {
  try {
    read()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('readConfig', () => {
  it('has a default for everything', () => {
    const config = readConfig({})
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 4000,
      maxLanes: 32,
      functionsDir: null,
      introspection: true,
    })
    expect(config.databaseUrl).toMatch(/^file:.*data\/heddle\.db$/)
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('listens on loopback alone without tokens, and anywhere with them', () => {
    for (const HOST of ['127.0.0.1', '127.8.9.1', 'localhost', 'LOCALHOST', '::1', '[::1]', '::ffff:127.0.0.1'])
      expect(problemsOf(() => readConfig({ HOST }))).toEqual([])
    for (const HOST of ['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.1', 'localhost.example.com']) {
      expect(problemsOf(() => readConfig({ HOST }))).toEqual([expect.stringContaining(`HOST is "${HOST}"`)])
      expect(readConfig({ HOST, HEDDLE_TOKENS: 'a:read' }).host).toBe(HOST)
    }
    expect(readConfig({ HOST: '[::1]' }).host).toBe('::1')
  })

  it('quotes nothing that may be a token', () => {
    const problems = problemsOf(() => readCommandLine(['--tokens', 'a:read,', 'secret:launch'], { HEDDLE_ORIGINS: '' }))
    expect(problems).toEqual(['what has a colon is not expected here: see --help'])
    for (const HEDDLE_TOKENS of ['read:secret', 'a:read+secret', 'secret', ','])
      expect(problemsOf(() => readConfig({ HEDDLE_TOKENS })).join()).toMatch(/^HEDDLE_TOKENS((?!secret).)+$/)
  })

  it('tells every problem, with the value and what was expected', () => {
    const problems = problemsOf(() =>
      readConfig({
        PORT: '70000',
        HEDDLE_LANES: 'two',
        HEDDLE_INTROSPECTION: 'maybe',
        HOST: '0.0.0.0',
        DATABASE_URL: 'postgres://x',
        HEDDLE_ORIGINS: 'https://a.example/path',
      }),
    )
    expect(problems).toHaveLength(6)
    for (const value of ['70000', 'two', 'maybe', '0.0.0.0', 'postgres://x', 'https://a.example/path']) {
      expect(problems.some((problem) => problem.includes(`"${value}"`) && problem.includes('expected'))).toBe(true)
    }
  })

  it('reads lists by commas', () => {
    expect(readConfig({ HEDDLE_ALLOW_HOSTS: ' 127.0.0.1 , 10.0.0.0/8,' }).allowHosts).toEqual([
      '127.0.0.1',
      '10.0.0.0/8',
    ])
  })
})

describe('readCommandLine', () => {
  it('takes a flag for each setting, over the environment', () => {
    const command = readCommandLine(['--port', '0', '--data-dir=/tmp/x', '--max-lanes=7'], { PORT: '5000' })
    expect(command).toMatchObject({ name: 'serve', config: { port: 0, dataDir: '/tmp/x', maxLanes: 7 } })
  })

  it('tells unknown flags and words beside the wrong values', () => {
    const problems = problemsOf(() => readCommandLine(['serve', '--colour', '--port', 'x'], {}))
    expect(problems).toHaveLength(3)
  })

  it('knows help and version', () => {
    expect(readCommandLine(['-h'], {})).toEqual({ name: 'help' })
    expect(readCommandLine(['--version'], {})).toEqual({ name: 'version' })
  })

  it('names every setting once', () => {
    expect(new Set(SETTINGS.map(({ name }) => name)).size).toBe(SETTINGS.length)
  })
})
