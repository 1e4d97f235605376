import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toJsonText } from '../../../src/domain/output.js'
import { BUILTINS } from '../../../src/functions/builtins/index.js'
import type { ComputeFunction } from '../../../src/functions/function.js'
import { createRegistry } from '../../../src/functions/registry.js'
import { functionContext } from '../../support/builtin.js'

const context = functionContext()

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-functions-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

/** A registry of the builtins and these files. */
async function registryOf(files: Record<string, string>) {
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return createRegistry({ builtins: BUILTINS, directory })
}

/** What is wrong with one file whose default export this is. */
async function reasonsFor(exported: string): Promise<string[]> {
  const { problems } = await registryOf({ 'one.mjs': `export default ${exported}` })
  return problems.map(({ reason }) => reason)
}

const valid = (name: string) =>
  `{ name: '${name}', description: 'd', inputSchema: { type: 'integer' }, run: (n) => n + 1 }`

describe('the builtins', () => {
  it('are in order', async () => {
    const { registry, problems } = await createRegistry({ builtins: BUILTINS, directory: null })
    expect(problems).toEqual([])
    expect(registry.list().map(({ name }) => name)).toEqual([
      'atomicCounter',
      'countPrimes',
      'hash',
      'htmlSummary',
      'imageSize',
      'jsonQuery',
      'mandelbrotRow',
      'monteCarloPi',
      'racyCounter',
      'sortNumbers',
      'statistics',
      'sumOfSquares',
      'wordFrequencies',
    ])
    expect(BUILTINS.map(({ name }) => name)).toEqual(registry.list().map(({ name }) => name))
  })

  it.each(BUILTINS.map((fn) => [fn.name, fn] as const))('%s fits its own schemas', async (name, fn) => {
    const { registry } = await createRegistry({ builtins: BUILTINS, directory: null })
    const info = registry.list().find((one) => one.name === name)
    expect(info).toEqual({
      name,
      description: fn.description,
      inputSchema: fn.inputSchema,
      outputSchema: fn.outputSchema,
      example: fn.example,
    })
    expect(registry.validate(name, fn.example)).toEqual([])
    const output = await registry.get(name)?.fn.run(fn.example, context)
    const checker = { ...fn, name: 'checker', inputSchema: fn.outputSchema ?? false }
    delete (checker as Partial<ComputeFunction>).example
    const { registry: outputs } = await createRegistry({ builtins: [checker], directory: null })
    expect(outputs.validate('checker', JSON.parse(toJsonText(output)))).toEqual([])
  })

  it('have no whole number with an exponent in what is told of them, which GraphiQL fails to read', () => {
    for (const { run: _, ...told } of BUILTINS) expect(JSON.stringify(told)).not.toMatch(/:-?\d(\.\d+)?e\+/)
  })

  it('take n from 0 to 10^10 as a number or a decimal string, and nothing else', async () => {
    const { registry } = await createRegistry({ builtins: BUILTINS, directory: null })
    for (const n of [0, 1, 1e10, '0', '5000', '9999999999', '10000000000']) {
      expect(registry.validate('sumOfSquares', n)).toEqual([])
    }
    for (const n of [-1, 1.5, 1e10 + 1, '10000000001', '99999999999', '-1', '1.5', '', null, true, [1], { n: 1 }]) {
      expect(registry.validate('sumOfSquares', n), JSON.stringify(n)).not.toEqual([])
    }
    expect(registry.validate('sumOfSquares', -1)).toEqual([{ path: [], message: 'must be >= 0' }])
  })
})

describe('a folder of functions', () => {
  it('is loaded file by file, an object or an array of them each', async () => {
    const { registry, problems } = await registryOf({
      'b.mjs': `export default [${valid('two')}, ${valid('three.v1')}]`,
      'a.js': `module.exports = ${valid('one')}`,
      'notes.txt': 'not code',
      'data.json': '{}',
    })
    await mkdir(join(directory, 'folder.js'))
    expect(problems).toEqual([])
    expect(registry.list().map(({ name }) => name)).toEqual(
      [...BUILTINS.map(({ name }) => name), 'one', 'three.v1', 'two'].sort(),
    )
    expect(registry.get('two')?.fn.run(1, context)).toBe(2)
    expect(registry.has('two')).toBe(true)
    expect(registry.has('four')).toBe(false)
    expect(registry.get('four')).toBeUndefined()
    expect(() => registry.validate('four', 1)).toThrow('no function named "four"')
  })

  it('keeps what is in order beside what is not', async () => {
    const { registry, problems } = await registryOf({
      'bad.mjs': 'export default 5',
      'good.mjs': `export default ${valid('good')}`,
    })
    expect(problems).toEqual([
      {
        file: join(directory, 'bad.mjs'),
        function: null,
        reason: 'must be an object { name, description, inputSchema, run }, not a number',
      },
    ])
    expect(registry.has('good')).toBe(true)
  })

  it('calls run as a method, with the input and the context', async () => {
    const { registry } = await registryOf({
      'm.mjs': `export default { name: 'm', description: 'd', inputSchema: true, factor: 3,
        run(n, { index, attempt }) { return n * this.factor + index + attempt } }`,
    })
    expect(registry.get('m')?.fn.run(5, context)).toBe(16)
  })

  it('gives an example to functions that name none', async () => {
    const { registry } = await registryOf({ 'one.mjs': `export default ${valid('one')}` })
    const info = registry.list().find(({ name }) => name === 'one')
    expect(info).toMatchObject({ example: 10, outputSchema: null })
  })

  it('does not change when the function changes its schema afterwards', async () => {
    const { registry } = await registryOf({
      'one.mjs': `export default { name: 'one', description: 'd', inputSchema: { type: 'integer' },
        run() { this.inputSchema.type = 'string'; return this.inputSchema.type } }`,
    })
    expect(registry.get('one')?.fn.run(1, context)).toBe('string')
    expect(registry.list().find(({ name }) => name === 'one')?.inputSchema).toEqual({ type: 'integer' })
    expect(registry.validate('one', 'text')).toHaveLength(1)
  })

  it('that is not there is a problem', async () => {
    const missing = join(directory, 'missing')
    const { registry, problems } = await createRegistry({ builtins: BUILTINS, directory: missing })
    expect(problems).toEqual([{ file: missing, function: null, reason: expect.stringContaining('ENOENT') }])
    expect(registry.has('sumOfSquares')).toBe(true)
  })
})

describe('what is wrong with a file', () => {
  it.each<[string, string, RegExp]>([
    ['a syntax error', 'export default {,', /cannot be loaded/],
    [
      'a fault on loading',
      'throw new RangeError("no luck"); export default 1',
      /cannot be loaded: RangeError: no luck/,
    ],
    ['a missing import', 'import "./gone.mjs"; export default 1', /cannot be loaded.*gone\.mjs/],
    ['no default export', 'export const fn = 1', /has no default export/],
    ['an empty array', 'export default []', /exports an empty array/],
    ['a thrown string', 'throw "no"; export default 1', /cannot be loaded: no/],
  ])('is told: %s', async (_, text, reason) => {
    const { problems } = await registryOf({ 'bad.mjs': text })
    expect(problems).toEqual([
      { file: join(directory, 'bad.mjs'), function: null, reason: expect.stringMatching(reason) },
    ])
  })

  it('is told all at once', async () => {
    expect(await reasonsFor('{}')).toEqual([
      'name is missing: it must be a string',
      'description is missing: it must be a string',
      'run is missing: it must be a function',
      'inputSchema is missing: it must be a JSON Schema',
    ])
    expect(await reasonsFor('{ name: "", description: 5, run: "x", inputSchema: true }')).not.toHaveLength(0)
  })

  it.each<[string, string]>([
    ['{ name: 5, description: "d", inputSchema: true, run() {} }', 'name must be a string, not a number'],
    ['{ name: "f", description: null, inputSchema: true, run() {} }', 'description must be a string, not null'],
    ['{ name: "f", description: "d", inputSchema: true, run: [] }', 'run must be a function, not an array'],
    ['{ name: "f", description: "d", inputSchema: "integer", run() {} }', 'a JSON Schema is an object, true or false'],
    ['{ name: "f", description: "d", inputSchema: { type: "whole" }, run() {} }', 'inputSchema: schema is invalid'],
    ['{ name: "f", description: "d", inputSchema: () => {}, run() {} }', 'inputSchema is not JSON'],
    ['{ name: "f", description: "d", inputSchema: true, outputSchema: { type: 1 }, run() {} }', 'outputSchema: schema'],
    ['{ name: "f", description: "d", inputSchema: true, example: 1n, run() {} }', 'example is not JSON'],
    ['{ name: "f", description: "d", inputSchema: true, example: null, run() {} }', 'example must not be null'],
    [
      '{ name: "f", description: "d", inputSchema: { properties: { n: { minimum: 3 } } }, example: { n: 1 }, run() {} }',
      'the example does not fit the inputSchema: example.n must be >= 3',
    ],
    ['[null]', 'must be an object { name, description, inputSchema, run }, not null'],
    ['{ get name() { throw new Error("trap") } }', 'cannot be read: trap'],
  ])('is told: %s', async (exported, reason) => {
    expect(await reasonsFor(exported)).toEqual([expect.stringContaining(reason)])
  })

  it.each(['', 'a b', 'ä', 'a/b', 'x'.repeat(101), 'a\\n'])('is told: the name "%s"', async (name) => {
    expect(await reasonsFor(valid(name))).toEqual([expect.stringContaining('must be 1 to 100 letters, digits')])
  })

  it('is told: a name that is taken, by a builtin or by another file', async () => {
    const { registry, problems } = await registryOf({
      'a.mjs': `export default [${valid('mine')}, ${valid('sumOfSquares')}]`,
      'b.mjs': `export default ${valid('mine')}`,
    })
    expect(problems).toEqual([
      {
        file: join(directory, 'a.mjs'),
        function: 'sumOfSquares',
        reason: 'the name "sumOfSquares" is taken by a function that is built in',
      },
      {
        file: join(directory, 'b.mjs'),
        function: 'mine',
        reason: `the name "mine" is taken by ${join(directory, 'a.mjs')}`,
      },
    ])
    expect(registry.get('sumOfSquares')?.fn.run(3, context)).toBe(5)
  })

  it('names which one of an array it is', async () => {
    const { problems } = await registryOf({ 'a.mjs': `export default [${valid('ok')}, 7]` })
    expect(problems[0]?.function).toBe('number 2')
  })
})

describe('validateRange', () => {
  const functionOf = (inputSchema: ComputeFunction['inputSchema']): ComputeFunction => ({
    name: 'f',
    description: 'd',
    inputSchema,
    run: () => null,
  })
  const rangeProblems = async (schema: ComputeFunction['inputSchema'], from: number, step: number, count: number) => {
    const { registry } = await createRegistry({ builtins: [functionOf(schema)], directory: null })
    return registry.validateRange('f', { from, step, count }).map(({ message }) => message)
  }

  it('looks at both ends', async () => {
    const schema = { type: 'integer', minimum: 0, maximum: 100 }
    expect(await rangeProblems(schema, 0, 1, 101)).toEqual([])
    expect(await rangeProblems(schema, 0, 1, 102)).toEqual(['101 (item 101) must be <= 100'])
    expect(await rangeProblems(schema, 0, -10, 4)).toEqual(['-10 (item 1) must be >= 0', '-30 (item 3) must be >= 0'])
    expect(await rangeProblems(schema, 500, 1, 1)).toEqual(['500 (item 0) must be <= 100'])
    expect(await rangeProblems(schema, 500, 1, 0)).toEqual([])
  })

  it('finds a step that leaves the multiples between two ends that are ones', async () => {
    expect(await rangeProblems({ multipleOf: 2 }, 0, 3, 3)).toEqual(['3 (item 1) must be multiple of 2'])
  })

  it('says whether it has found all there is to find', async () => {
    const whole = async (schema: ComputeFunction['inputSchema']) => {
      const { registry } = await createRegistry({ builtins: [functionOf(schema)], directory: null })
      return registry.checksRangesWhole('f')
    }
    expect(await whole({ type: 'integer', minimum: 3 })).toBe(true)
    expect(await whole({ type: 'integer', enum: [1, 2] })).toBe(false)
    const { registry } = await createRegistry({ builtins: BUILTINS, directory: null })
    expect(registry.checksRangesWhole('sumOfSquares')).toBe(true)
  })
})

describe('a trusted registry', () => {
  it('checks inputs as the first one does', async () => {
    await writeFile(join(directory, 'f.mjs'), `export default ${valid('f')}`)
    const options = { builtins: BUILTINS, directory }
    const [first, trusted] = await Promise.all([createRegistry(options), createRegistry({ ...options, trusted: true })])
    expect(trusted.registry.list()).toEqual(first.registry.list())
    for (const name of ['f', 'sumOfSquares', 'countPrimes']) {
      for (const input of [5, -5, 0.5, '5', 'x', null, {}]) {
        expect(trusted.registry.get(name)?.validate(input)).toEqual(first.registry.validate(name, input))
      }
    }
  })
})
