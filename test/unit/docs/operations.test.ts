import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildSchema, Kind, parse, validate } from 'graphql'
import { describe, expect, it } from 'vitest'
import { documentExcess } from '../../../src/graphql/document-limits.js'
import { operationCost } from '../../../src/graphql/operation-cost.js'
import { documentsOf } from '../../support/markdown.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string) => readFileSync(`${ROOT}${path}`, 'utf8')

/** The pages that show operations, and how many. */
const PAGES = [
  'README.md',
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const documents = PAGES.flatMap((page) => documentsOf(read(page)).map((document) => [page, document] as const))

describe('the operations of the pages', () => {
  const schema = buildSchema(read('schema.graphql'))

  it.each(documents)('%s, %#: are of the schema', (_page, document) => {
    expect(validate(schema, parse(document)).map(({ message }) => message)).toEqual([])
  })

  it.each(documents)('%s, %#: are far within the limits', (_page, text) => {
    const document = parse(text)
    expect(documentExcess(document)).toBeNull()
    for (const definition of document.definitions) {
      if (definition.kind !== Kind.OPERATION_DEFINITION) continue
      // A number is an id, a size and a list of one of them.
      const variables = Object.fromEntries(
        definition.variableDefinitions?.map(({ variable }) => [variable.name.value, 1]) ?? [],
      )
      const cost = operationCost({ document, operationName: definition.name?.value, variables })
      expect(cost).toMatchObject({ requested: expect.any(Number) })
    }
  })

  it('are found, those that commands send as well', () => {
    const count = (page: string) => documents.filter(([name]) => name === page).length
    expect(count('README.md')).toBeGreaterThanOrEqual(5)
    expect(count('docs/pitfalls.md')).toBeGreaterThanOrEqual(9)
    expect(count('docs/threads-and-processes.md')).toBeGreaterThanOrEqual(2)
  })
})

describe('docs/pitfalls.md', () => {
  const page = read('docs/pitfalls.md')

  it('has the chapter’s three', () => {
    expect(Array.from(page.matchAll(/^## (.*)$/gm), ([, heading]) => heading)).toEqual([
      '1. Computing on one event loop',
      '2. Too many workers',
      '3. Shared state without synchronization',
    ])
  })

  it('says of each what one sees, why, and what helps', () => {
    for (const section of page.split(/^## /m).slice(1)) {
      for (const part of ['What one sees.', 'Why.', 'What helps.'])
        expect(section, section.slice(0, 20)).toContain(`**${part}**`)
    }
  })
})
