import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type GraphQLError,
  getNamedType,
  isInputObjectType,
  isNonNullType,
  isObjectType,
  parse,
  validate,
} from 'graphql'
import { describe, expect, it } from 'vitest'
import {
  documentExcess,
  MAX_ALIASES,
  MAX_DEPTH,
  MAX_DIRECTIVES,
  MAX_NAME_CHARACTERS,
  MAX_TOKENS,
} from '../../../src/graphql/document-limits.js'
import { EXAMPLES } from '../../../src/graphql/examples.js'
import { MAX_COST, operationCost } from '../../../src/graphql/operation-cost.js'
import { schema } from '../../../src/graphql/schema.js'
import { BIGGEST, VARIABLES } from '../../support/biggest-operations.js'
import { rowsUnder } from '../../support/markdown.js'

const page = readFileSync(fileURLToPath(new URL('../../../docs/limits.md', import.meta.url)), 'utf8')

function priced(query: string, variables: Record<string, unknown> = {}, operationName: string | null = null) {
  const document = parse(query)
  expect(documentExcess(document)).toBeNull()
  expect(validate(schema, document)).toEqual([])
  return operationCost({ document, operationName, variables })
}

/** What it costs; of one that is refused what the refusal says. */
function cost(query: string, variables: Record<string, unknown> = {}, operationName: string | null = null) {
  const result = priced(query, variables, operationName)
  if (result === null) return null
  if ('requested' in result) return result.requested
  return result[0]?.extensions.code === 'COST_LIMIT' ? 'COST_LIMIT' : result[0]?.message
}

describe('what clients ask for', () => {
  it.each(BIGGEST)('%s is within the limit, and costs what docs/limits.md says', (name, query) => {
    const [, said] = rowsUnder(page, 'What is well within them').find(([what]) => what === name) ?? []
    expect(cost(query, VARIABLES)?.toLocaleString('en')).toBe(said)
  })

  it('the examples are far within it', () => {
    for (const { query, variables } of EXAMPLES) expect(cost(query, variables ?? {})).toBeLessThan(MAX_COST / 20)
  })
})

const aliased = (count: number, field: string) => Array.from({ length: count }, (_, at) => `a${at}: ${field}`).join(' ')

describe('what nobody may ask for', () => {
  it.each([
    [
      'pages of pages',
      '{ run(id: "x") { tasks(first: 1000) { nodes { run { tasks(first: 1000) { nodes { id } } } } } } }',
    ],
    ['pages of many runs', '{ runs(first: 100) { nodes { tasks(first: 1000) { nodes { id } } } } }'],
    ['counts of everything', `{ runs(first: 1000) { nodes { ${aliased(3, 'tasks(first: 0) { totalCount }')} } } }`],
    ['the retries of the retries', '{ run(id: "x") { retries { retryOf { retries { id } } } } }'],
    [
      'comparisons in circles',
      '{ run(id: "x") { comparison { runs { comparison { runs { comparison { runs { id } } } } } } } }',
    ],
    ['errors of many runs', '{ runs(first: 100) { nodes { errors(first: 1000) { code } } } }'],
    ['what is in flight of many runs', '{ runs(first: 1000) { nodes { inFlight(first: 1000) { index } } } }'],
    ['the pictures of many runs', '{ runs(first: 1000) { nodes { timeline { spans { startMs } } } } }'],
    ['hosts again and again', `{ ${aliased(10, 'hosts(first: 10000) { host p95Ms }')} }`],
    ['many nodes', `{ nodes(ids: [${'"x" '.repeat(4900)}]) { ... on Run { tasks { totalCount } } } }`],
    [
      'plans again and again',
      `{ ${aliased(50, 'planBatch(batch: { compute: { function: "f", source: { inputs: [1] } } }) { total }')} }`,
    ],
    ['introspection again and again', `{ ${aliased(50, '__schema { types { fields { args { type { name } } } } }')} }`],
    [
      'events with pages in them',
      'subscription { tasksEnded(runId: "x") { nodes { run { tasks(first: 100) { nodes { id } } } } } }',
    ],
    [
      'runs with pages as they change',
      'subscription { runsUpdated { retries { tasks(first: 1000) { nodes { id } } } } }',
    ],
    [
      'pages in fragments',
      '{ ...A } fragment A on Query { runs(first: 1000) { ...B } } fragment B on RunsConnection { nodes { ...C } } fragment C on Run { tasks(first: 99) { edges { cursor } } }',
    ],
    [
      'what is skipped in the end',
      '{ runs(first: 1000) @skip(if: true) { nodes { tasks(first: 99) { nodes { id } } } } }',
    ],
  ])('%s', (_name, query) => {
    expect(cost(query)).toBe('COST_LIMIT')
  })

  it('says how much that was, and how much may be', () => {
    const [error] = priced('{ runs(first: 1000) { nodes { tasks(first: 1000) { nodes { id } } } } }') as GraphQLError[]
    expect(error?.message).toBe('The operation costs 1,151,050: 100,000 at most')
    expect(error?.extensions).toMatchObject({ code: 'COST_LIMIT', requested: 1_151_050, limit: 100_000 })
  })

  it('is known at once of fragments that come to more than any number', () => {
    const chain = Array.from({ length: 450 }, (_, at) => `fragment F${at} on Query { ...F${at + 1} ...F${at + 1} }`)
    const query = `{ ...F0 } ${chain.join(' ')} fragment F450 on Query { __typename }`
    const [error] = priced(query) as GraphQLError[]
    expect(error?.extensions).toMatchObject({ code: 'COST_LIMIT', requested: Number.MAX_SAFE_INTEGER })
  })
})

describe('the size of a page', () => {
  const RUNS = 'query($n: Int, $m: Int = 500) { runs(first: $n, last: $m) { nodes { id } } }'
  const page = (size: number) => Math.ceil(50 + size * 1.1)

  it.each([
    ['a literal', '{ runs(first: 100) { nodes { id } } }', {}, page(100)],
    ['nothing', '{ runs { nodes { id } } }', {}, page(20)],
    ['last', '{ runs(last: 100) { nodes { id } } }', {}, page(100)],
    ['a variable', RUNS, { n: 7 }, page(7)],
    ['the default of a variable', RUNS, {}, page(500)],
    ['null', RUNS, { n: null, m: null }, page(20)],
    ['less than nothing', RUNS, { n: -2_000_000_000 }, page(0)],
    // The field itself refuses it.
    ['more than there may be', RUNS, { n: 2_000_000_000 }, page(1000)],
    ['a string', RUNS, { n: '7' }, 'Variable "$n" got invalid value "7"; Int cannot represent non-integer value: "7"'],
    [
      'a fraction',
      RUNS,
      { n: 1.5 },
      'Variable "$n" got invalid value 1.5; Int cannot represent non-integer value: 1.5',
    ],
  ])('may be %s', (_name, query, variables, expected) => {
    expect(cost(query, variables)).toBe(expected)
  })

  it('is that of the operation that is asked for', () => {
    const both = 'query Small { runs(first: 1) { nodes { id } } } query Big { runs(first: 1000) { nodes { id } } }'
    expect(cost(both, {}, 'Small')).toBe(page(1))
    expect(cost(both, {}, 'Big')).toBe(page(1000))
    expect(cost(both, {}, 'Other')).toBeNull()
    expect(cost(both)).toBeNull()
  })

  it('is told of ids that cannot be: nothing is executed beside them', () => {
    const query = 'query($ids: [ID!] = []) { nodes(ids: $ids) { id } runs { totalCount } }'
    expect(cost(query)).toBe(50)
    expect(cost(query, { ids: null })).toBe('Argument "ids" of non-null type "[ID!]!" must not be null.')
    expect(cost(query, { ids: ['x', 'y'] })).toBe(Math.ceil(50 + 22.2))
  })
})

describe('variables', () => {
  it('that no size depends on are not looked at', () => {
    const query = 'mutation($input: LaunchFetchBatchInput!) { launchFetchBatch(input: $input) { deduplicated } }'
    expect(
      cost(query, {
        input: {
          get source() {
            throw new Error('looked at')
          },
        },
      }),
    ).toBe(101)
    const filtered =
      'query($l: LabelInput!, $after: String!) { runs(after: $after, filter: { labels: [$l] }) { totalCount } }'
    expect(cost(filtered, { l: 'no label' })).toBe(50)
  })

  it('that are wrong a hundred thousand times are told ten times', () => {
    const document = parse('query($ids: [ID!]!) { nodes(ids: $ids) { id } }')
    const ids = Array.from({ length: 100_000 }, () => ({}))
    const errors = operationCost({ document, operationName: null, variables: { ids } })
    expect(errors).toHaveLength(11)
  })

  it('may have names that objects have by themselves', () => {
    const query =
      'query($__proto__: Int = 3, $constructor: Int) { runs(first: $__proto__, last: $constructor) { nodes { id } } }'
    expect(cost(query)).toEqual(expect.any(Number))
    expect(cost(query, JSON.parse('{ "__proto__": 1000, "constructor": { "prototype": 1 } }'))).toMatch(
      /^Variable "\$constructor"/,
    )
  })
})

it('no field whose cost depends on its arguments requires an input that is not looked at', () => {
  const fields = Object.values(schema.getTypeMap()).flatMap((type) =>
    isObjectType(type) ? Object.values(type.getFields()) : [],
  )
  const sized = fields.filter(({ extensions }) => typeof extensions.complexity === 'function')
  const required = sized
    .flatMap(({ args }) => args)
    .filter(({ type }) => isNonNullType(type) && isInputObjectType(getNamedType(type)))
  expect(sized.length).toBeGreaterThan(100)
  expect(required).toEqual([])
})

it('docs/limits.md has the limits as they are', () => {
  const figures = rowsUnder(page, 'Documents').map(([, figure]) => figure)
  const limits = [MAX_DEPTH, MAX_ALIASES, MAX_DIRECTIVES, MAX_NAME_CHARACTERS, MAX_TOKENS, MAX_COST]
  expect(figures).toEqual(limits.map((limit) => limit.toLocaleString('en')))
})
