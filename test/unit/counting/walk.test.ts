import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ItemUse } from '../../../src/counting/counter.js'
import { walk } from '../../../src/counting/walk.js'
import { filesFolder, tableOf } from '../../support/files.js'

let files: ReturnType<typeof filesFolder>
beforeEach(() => {
  files = filesFolder()
})
afterEach(() => files.remove())

function walkFile(content: string, use: ItemUse) {
  const file = files.write(content)
  const form = use.kind === 'FETCH' ? 'requests' : 'inputs'
  const { count } = tableOf(content)
  const source = { kind: 'file', form, name: null, bytes: content.length, sha256: '', count } as const
  return walk({ source, file, use, picks: 3 })
}

const FETCH: ItemUse = { kind: 'FETCH', headers: [] }
const numbers = (inputSchema: object): ItemUse => ({ kind: 'COMPUTE', inputSchema: inputSchema as never })

describe('walk over lines that are inputs', () => {
  it('holds each against the schema, and says of which item each problem is', () => {
    const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] }
    const counted = walkFile('{"n":1}\n\nnonsense\n{"n":1.0}\n{"n":"x"}\n[]\n12345678901234567890\n', numbers(schema))
    expect(counted.problems).toEqual([
      { index: 1, path: [], message: 'the line is no JSON: "nonsense"' },
      { index: 3, path: ['n'], message: '{"n":"x"} does not fit the function: must be integer' },
      { index: 4, path: [], message: '[] does not fit the function: must be object' },
      { index: 5, path: [], message: expect.stringMatching(/exactly/) },
    ])
    expect(counted).toMatchObject({ problemCount: 4, duplicates: 1, hosts: [], hostCount: 0 })
    expect(counted.picked).toEqual([
      { index: 0, item: { n: 1 } },
      { index: 2, item: { n: 1 } },
    ])
  })

  it('takes numbers by the short way where the schema allows that, with the same result', () => {
    const counted = walkFile('1\n-1\n2.5\n"x"\n7', numbers({ type: 'integer', minimum: 0 }))
    expect(counted.problems.map(({ index, message }) => `${index} ${message}`)).toEqual([
      '1 -1 does not fit the function: must be >= 0',
      '2 2.5 does not fit the function: must be integer',
      '3 "x" does not fit the function: must be integer',
    ])
  })

  it('asks nothing of inputs where nothing is known of the function', () => {
    expect(walkFile('1\n"x"\n', { kind: 'COMPUTE', inputSchema: null })).toMatchObject({
      problemCount: 0,
      duplicates: 0,
    })
  })

  it('goes on over many stretches', () => {
    const lines = Array.from({ length: 5_000 }, (_, at) => at % 4_000)
    const counted = walkFile(lines.join('\n'), numbers({ type: 'integer' }))
    expect(counted).toMatchObject({ duplicates: 1_000, problemCount: 0 })
    expect(counted.picked.map(({ item }) => item)).toEqual([0, 999, 2_500])
  })
})

describe('walk over lines that are requests', () => {
  it('counts hosts and repeats, and tells of what cannot be sent without its secrets', () => {
    const content = [
      'http://a.example/',
      '{"url":"http://a.example/"}',
      '{"url":"http://b.example/","method":"POST"}',
      'ftp://u:secret@a.example/',
      '{"url":"http://a.example/","colour":1}',
      'nothing',
    ].join('\n')
    const counted = walkFile(content, FETCH)
    expect(counted).toMatchObject({ duplicates: 1, hostCount: 2, unsafe: 1, problemCount: 3 })
    expect(counted.hosts).toEqual([
      { host: 'a.example', items: 2 },
      { host: 'b.example', items: 1 },
    ])
    expect(counted.problems.map(({ index }) => index)).toEqual([3, 4, 5])
    expect(JSON.stringify(counted.problems)).not.toContain('secret')
    expect(counted.picked).toEqual([{ index: 0, item: 'http://a.example/' }])
  })

  it('finds the names of more hosts than are kept again', () => {
    const content = Array.from({ length: 12_000 }, (_, at) => `http://h${at}.example/`).join('\n')
    const extra = 'http://h11999.example/x\nhttp://h11999.example/y'
    const { hosts, hostCount } = walkFile(`${content}\n${extra}`, FETCH)
    expect(hostCount).toBe(12_000)
    expect(hosts.slice(0, 2)).toEqual([
      { host: 'h11999.example', items: 3 },
      { host: 'h0.example', items: 1 },
    ])
  })
})

describe('walk', () => {
  it('looks at the URL that a template makes of each number', () => {
    const source = { kind: 'template', template: 'http://a.example:{i}/', from: 79, to: 81, step: 1, count: 3 } as const
    expect(walk({ source, file: null, use: FETCH, picks: 3 })).toMatchObject({
      duplicates: 0,
      hosts: [{ host: 'a.example:79' }, { host: 'a.example' }, { host: 'a.example:81' }],
    })
  })

  it('says of which number there is no URL', () => {
    const source = { kind: 'template', template: 'http://10.0.0.0{i}/', from: 5, to: 9, step: 1, count: 5 } as const
    const counted = walk({ source, file: null, use: FETCH, picks: 5 })
    expect(counted).toMatchObject({ hostCount: 3, duplicates: 0 })
    expect(counted.problems).toEqual([
      { index: 3, path: [], message: '"http://10.0.0.08/" is not an absolute URL' },
      { index: 4, path: [], message: '"http://10.0.0.09/" is not an absolute URL' },
    ])
  })

  it('holds each number of a range against a schema that asks for more than bounds', () => {
    const source = { kind: 'range', from: 0, to: 5, step: 1, count: 5 } as const
    const counted = walk({ source, file: null, use: numbers({ enum: [0, 1, 4] }), picks: 3 })
    expect(counted.problems.map(({ index, message }) => `${index} ${message}`)).toEqual([
      '2 2 does not fit the function: must be one of 0, 1, 4',
      '3 3 does not fit the function: must be one of 0, 1, 4',
    ])
    expect(counted).toMatchObject({ duplicates: 0, picked: [{ item: 0 }, { item: 4 }, { item: 1 }] })
  })

  it('does not take a file that is gone for one without lines', () => {
    const file = files.write('1\n2')
    rmSync(file.path)
    const source = { kind: 'file', form: 'inputs', name: null, bytes: 3, sha256: '', count: 2 } as const
    const use: ItemUse = { kind: 'COMPUTE', inputSchema: null }
    expect(() => walk({ source, file, use, picks: 1 })).toThrow(/cannot be read/)
  })
})
