/** Looks at every item of a source that is no list: the lines of a file, or what a template makes of each number. */

import { compactInput, type Json } from '../domain/batch.js'
import { BadLine, readInput, readRequest } from '../domain/line-items.js'
import { shown } from '../domain/requests.js'
import { LineFile, type LineFileSpec } from '../files/line-file.js'
import { plainNumberRule } from '../functions/numbers.js'
import { type SchemaCheck, SchemaCompiler } from '../functions/schema.js'
import type { CountRequest, ItemCount, ItemProblem, ItemUse } from './counter.js'
import { ItemTally } from './tally.js'

/** What a thread is to count. */
export interface Walk extends Omit<CountRequest, 'items' | 'file'> {
  file: LineFileSpec | null
}

/** Throws UnreadableFile. */
export function walk({ file, ...request }: Walk): ItemCount {
  return file === null ? walkNumbers(request) : walkLines(new LineFile(file), request)
}

/** Numbers are different ones: of a range there is nothing to count, and each is held against the schema. */
function walkNumbers({ source, ...request }: Omit<Walk, 'file'>): ItemCount {
  if (source.kind !== 'template' && source.kind !== 'range')
    throw new Error(`a ${source.kind} is not walked by numbers`)
  const { use } = request
  const tally = new ItemTally({ source, ...request })
  const check = use.kind === 'COMPUTE' ? checkOf(use) : null
  for (let index = 0; index < source.count; index += 1) {
    const item = compactInput(source, index)
    if (use.kind === 'FETCH') tally.add(index, item, urlProblems(String(item)))
    else tally.addDifferent(index, item, check ? problemsOf(item, check) : [])
  }
  return tally.finish((index) => compactInput(source, index))
}

function urlProblems(url: string): Omit<ItemProblem, 'index'>[] {
  if (URL.canParse(url)) return []
  return [{ path: [], message: `${shown(url)} is not an absolute URL` }]
}

function walkLines(lines: LineFile, request: Omit<Walk, 'file'>): ItemCount {
  const { use, source } = request
  const tally = new ItemTally(request)
  const check = use.kind === 'COMPUTE' ? checkOf(use) : null
  const itemAt = (index: number): Json => {
    const text = lines.text(index)
    // A plain object, as what crosses to the other thread is.
    return use.kind === 'FETCH' ? (readRequest(text) as unknown as Json) : readInput(text)
  }
  for (let index = 0; index < source.count; index += 1) {
    try {
      const item = itemAt(index)
      tally.add(index, item, check ? problemsOf(item, check) : [])
    } catch (error) {
      if (!(error instanceof BadLine)) throw error
      tally.addProblem({ index, path: [], message: error.message })
    }
  }
  return tally.finish(itemAt)
}

/** As lanes check what they compute with; null where nothing is to be checked. */
function checkOf({ inputSchema }: Extract<ItemUse, { kind: 'COMPUTE' }>): SchemaCheck | null {
  if (inputSchema === null) return null
  const numberRule = plainNumberRule(inputSchema)
  // It has been compiled before, when the function was registered.
  const check = new SchemaCompiler({ trusted: true }).compile(inputSchema)
  return (input) => (typeof input === 'number' && numberRule?.(input) ? [] : check(input))
}

function problemsOf(item: Json, check: SchemaCheck) {
  const problems = check(item)
  if (problems.length === 0) return problems
  // Once for all problems of a value: it may be large, and so may they be many.
  const given = shown(item)
  return problems.map(({ path, message }) => ({ path, message: `${given} does not fit the function: ${message}` }))
}
