import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Rules, violations } from '../support/architecture.js'

/** The contracts: what a layer may know of another whose implementations are not its business. */
const LANES = ['lanes/lane.ts', 'lanes/protocol.ts']
const STORE = 'store/store.ts'
const NOTES = 'store/notes.ts'
const EVENTS = 'events/bus.ts'
const FUNCTIONS = 'functions/function.ts'
const COUNTING = 'counting/counter.ts'

const RULES: Rules = {
  layers: {
    domain: [],
    version: [],
    clock: ['domain'],
    log: ['domain'],
    config: ['domain', 'log'],
    files: ['domain'],
    functions: ['domain', 'clock', 'log'],
    fetching: ['domain', 'clock', 'log'],
    store: ['domain', 'clock', 'log', 'files', 'version'],
    events: ['domain', 'clock', 'log'],
    lanes: ['domain', 'clock', 'log', 'files', 'functions', 'fetching'],
    counting: ['domain', 'clock', 'log', 'files', 'functions'],
    engine: ['domain', 'clock', 'log', ...LANES, STORE, NOTES, EVENTS, FUNCTIONS, COUNTING],
    graphql: ['domain', 'clock', 'log', 'engine', STORE, EVENTS, FUNCTIONS],
    http: ['domain', 'clock', 'log', 'files', 'engine', 'graphql', STORE, EVENTS],
    app: 'everything',
    main: 'everything',
    // Clients: they know the schema and nothing of the server.
    // The demonstration starts the server as a process of its own.
    demo: ['main.ts'],
    cli: ['client'],
    client: [],
    dashboard: [],
  },
  environmentReaders: ['config.ts'],
  // tinypool calls the default export of the file that it is given.
  defaultExports: ['lanes/entry.ts'],
  forbiddenFolders: ['utils', 'helpers', 'common', 'types'],
  maxLines: 500,
  generated: ['store/generated'],
}

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url))

function sources(): Map<string, string> {
  const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
  const paths = files
    .filter((file) => file.isFile() && file.name.endsWith('.ts'))
    .map((file) => join(file.parentPath, file.name))
  return new Map(paths.map((path) => [relative(SOURCE, path).replaceAll('\\', '/'), readFileSync(path, 'utf8')]))
}

describe('the source tree', () => {
  it('keeps to its architecture', () => {
    const tree = sources()
    expect(tree.has('domain/run.ts')).toBe(true)
    expect(violations(tree, RULES)).toEqual([])
  })
})

describe('violations', () => {
  const rules: Rules = {
    ...RULES,
    layers: { domain: [], engine: ['domain', 'store/store.ts'], store: ['domain'], app: 'everything' },
    maxLines: 3,
  }
  const check = (files: Record<string, string>) => violations(new Map(Object.entries(files)), rules)

  const store = { 'store/store.ts': '', 'store/sqlite.ts': '' }

  it('finds none in a tree that keeps to the rules', () => {
    const files = {
      'domain/a.ts': 'export const a = 1',
      'store/store.ts': `import type { a } from '../domain/a.js'`,
      'store/sqlite.ts': `import { Client } from './generated/client.js'\nimport x from 'better-sqlite3'`,
      'store/generated/client.ts': 'process.env.A\n\n\n\n\nexport default 1',
      'engine/run.ts': `import { a } from '../domain/a.js'\nimport type { S } from '../store/store.js'`,
      'app.ts': `import './engine/run.js'\nimport './store/sqlite.js'`,
    }
    expect(check(files)).toEqual([])
  })

  it.each([
    ['an import', `import { s } from '../store/sqlite.js'`],
    ['an import for its effect', `import '../store/sqlite.js'`],
    ['an import of a type', `import type { S } from '../store/sqlite.js'`],
    ['an inline import of a type', `type S = import('../store/sqlite.js').S`],
    ['a dynamic import', `const s = await import('../store/sqlite.js')`],
    ['a re-export', `export { s } from '../store/sqlite.js'`],
    ['a re-export of everything', `export * from '../store/sqlite.js'`],
    ['a re-export of a type', `export type { S } from '../store/sqlite.js'`],
    ['the URL of a worker', `new Worker(new URL('../store/sqlite.js', import.meta.url))`],
  ])('finds %s of what the layer may not know', (_what, code) => {
    expect(check({ ...store, 'engine/run.ts': code })).toEqual([
      'engine/run.ts imports ../store/sqlite.js: engine may import domain, store/store.ts',
    ])
  })

  it('finds imports of what is not there, outside, or generated for others', () => {
    expect(check({ 'domain/a.ts': `import './b.js'` })).toEqual(['domain/a.ts imports ./b.js: there is no such file'])
    expect(check({ 'domain/a.ts': `import '../../test/b.js'` })).toEqual([
      'domain/a.ts imports ../../test/b.js: it is outside of the tree',
    ])
    expect(check({ 'engine/a.ts': `import '../store/generated/b.js'`, 'store/generated/b.ts': '' })).toEqual([
      'engine/a.ts imports ../store/generated/b.js: it is generated for another layer',
    ])
  })

  it('finds a folder that is no layer', () => {
    expect(check({ 'misc/a.ts': '' })).toEqual(['misc/a.ts: misc is no layer of the table'])
  })

  it('finds cycles, of types too', () => {
    const files = {
      'domain/a.ts': `import './b.js'`,
      'domain/b.ts': `import type { C } from './c.js'`,
      'domain/c.ts': `export * from './a.js'`,
      'domain/d.ts': `import './a.js'`,
      'domain/e.ts': `import './e.js'`,
    }
    expect(check(files)).toEqual([
      'these import each other: domain/a.ts, domain/b.ts, domain/c.ts',
      'domain/e.ts imports itself',
    ])
  })

  it.each(['process.env.A', `process['env']`, 'const { env } = process', `import { env } from 'node:process'`])(
    'finds `%s`',
    (code) => {
      expect(check({ 'engine/a.ts': code })).toEqual(['engine/a.ts reads process.env'])
      expect(check({ 'app.ts': 'const { pid } = process; process.exit(); other.env' })).toEqual([])
    },
  )

  it.each(['export default 1', 'export default class {}', 'const a = 1; export { a as default }'])(
    'finds `%s`',
    (code) => {
      expect(check({ 'domain/a.ts': code })).toEqual(['domain/a.ts has a default export'])
    },
  )

  it('finds folders that say nothing and files that say too much', () => {
    expect(check({ 'domain/utils/a.ts': '' })).toEqual(['domain/utils/a.ts lies in a folder named utils'])
    expect(check({ 'domain/a.ts': '1\n2\n3\n' })).toEqual([])
    expect(check({ 'domain/a.ts': '1\n2\n3\n4\n' })).toEqual(['domain/a.ts has 4 lines, more than 3'])
  })

  it('does not take a file that it cannot read for a good one', () => {
    expect(() => check({ 'domain/a.ts': 'import {' })).toThrow('domain/a.ts')
  })
})
