import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { BUILTINS } from '../../../src/functions/builtins/index.js'
import type { ComputeFunction } from '../../../src/functions/function.js'
import { createRegistry, type FunctionRegistry } from '../../../src/functions/registry.js'
import { callerOf, functionContext, listeningContext } from '../../support/builtin.js'
import { rowsUnder } from '../../support/markdown.js'

const DOCS = fileURLToPath(new URL('../../../docs', import.meta.url))

describe('docs/functions.md', () => {
  const page = readFileSync(`${DOCS}/functions.md`, 'utf8')

  it('lists the functions that are built in, by name, and says something in every cell', () => {
    const rows = rowsUnder(page, 'Built in')
    expect(rows.map(([name]) => name)).toEqual(BUILTINS.map(({ name }) => `\`${name}\``))
    for (const row of rows) for (const cell of row) expect(cell, row.join(' | ')).not.toBe('')
  })
})

describe('README.md', () => {
  it('names each function that is built in', () => {
    const page = readFileSync(`${DOCS}/../README.md`, 'utf8')
    for (const { name } of BUILTINS) expect(page).toContain(`\`${name}\``)
  })
})

describe('docs/function-template.mjs', () => {
  async function load(): Promise<{ registry: FunctionRegistry; fn: ComputeFunction }> {
    const { registry, problems } = await createRegistry({ builtins: BUILTINS, directory: DOCS })
    expect(problems).toEqual([])
    const { inputSchema, outputSchema, example } = registry.list().find(({ name }) => name === 'longestCollatz') ?? {}
    const { fn } = registry.get('longestCollatz') ?? {}
    if (!fn || !inputSchema || !outputSchema) throw new Error('the template is not there, or has no schemas')
    expect(registry.validate('longestCollatz', example)).toEqual([])
    return { registry, fn }
  }

  it('is a function that the registry takes, and that works', async () => {
    const { registry, fn } = await load()
    const call = callerOf(fn)
    expect(await call(2)).toEqual({ number: 1, steps: 0 })
    expect(await call(10)).toEqual({ number: 9, steps: 19 })
    expect(await call(28)).toEqual({ number: 27, steps: 111 })
    // OEIS A006877 and A006878.
    expect(await call(1_000_000)).toEqual({ number: 837_799, steps: 524 })
    expect(registry.validate('longestCollatz', 1)).toEqual([{ path: [], message: 'must be >= 2' }])
    expect(registry.checksRangesWhole('longestCollatz')).toBe(true)
  })

  it('says how far it is, rising', async () => {
    const { fn } = await load()
    const { context, said } = listeningContext()
    await fn.run(1_000_000, context)
    expect(said.length).toBeGreaterThan(1)
    expect(said).toEqual([...said].sort((a, b) => a - b))
    expect(said.every((fraction) => fraction > 0 && fraction < 1)).toBe(true)
  })

  it('ends once its task is aborted', async () => {
    const { fn } = await load()
    const abort = new AbortController()
    const context = functionContext({
      signal: abort.signal,
      progress: () => abort.abort(new Error('the run has ended')),
    })
    await expect(fn.run(3_000_000, context)).rejects.toThrow('the run has ended')
  })
})
