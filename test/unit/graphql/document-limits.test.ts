import { getIntrospectionQuery, parse } from 'graphql'
import { describe, expect, it } from 'vitest'
import { documentExcess } from '../../../src/graphql/document-limits.js'
import { EXAMPLES } from '../../../src/graphql/examples.js'

const excess = (document: string) => documentExcess(parse(document))?.message ?? null

const nested = (levels: number) => `${'{ a '.repeat(levels)}${'}'.repeat(levels)}`
const fields = (count: number, from = 0) => Array.from({ length: count }, (_, at) => `a${from + at}: b`).join(' ')
const repeated = (text: string, count: number) => Array.from({ length: count }, () => text).join(' ')

describe('the depth of a document', () => {
  it('is its levels of fields, 15 at most', () => {
    expect(excess(nested(15))).toBeNull()
    expect(excess(nested(16))).toBe('The document is 16 levels deep: 15 at most')
  })

  it('has nothing of fragments but the fields in them', () => {
    expect(excess(`{ ${'... { '.repeat(40)} a ${'}'.repeat(40)} }`)).toBeNull()
    expect(excess(`{ a { ...F } } fragment F on A ${nested(14)}`)).toBeNull()
    expect(excess(`{ a { b { ...F } } } fragment F on A ${nested(14)}`)).toMatch(/16 levels/)
    expect(excess(`{ ...F a { b { ...F } } } fragment F on A { ...G } fragment G on A ${nested(14)}`)).toMatch(
      /16 levels/,
    )
  })

  it.each([
    {},
    { descriptions: false },
    {
      inputValueDeprecation: true,
      oneOf: true,
      specifiedByUrl: true,
      schemaDescription: true,
      directiveIsRepeatable: true,
    },
  ])('of introspection is within the limit: %j', (options) => {
    expect(excess(getIntrospectionQuery(options))).toBeNull()
  })
})

describe('the aliases of a document', () => {
  it('are 50 at most', () => {
    expect(excess(`{ ${fields(50)} }`)).toBeNull()
    expect(excess(`{ ${fields(51)} }`)).toBe('The document has 51 aliases: 50 at most')
    expect(excess(`{ ${fields(1000)} }`)).toBe('The document has 1,000 aliases: 50 at most')
  })

  it('count wherever their fragment is spread', () => {
    const fragment = `fragment F on A { ${fields(10)} }`
    expect(excess(`{ ${repeated('...F', 5)} } ${fragment}`)).toBeNull()
    expect(excess(`{ ${repeated('...F', 6)} } ${fragment}`)).toMatch(/60 aliases/)
    expect(excess(`{ ${fields(41, 10)} x { ...G } } fragment G on A { ... on B { ...F } } ${fragment}`)).toMatch(
      /51 aliases/,
    )
  })

  it('are those of each operation by itself', () => {
    expect(excess(`query A { ${fields(40)} } query B { ${fields(40)} }`)).toBeNull()
    expect(excess(`query A { ${fields(40)} } query B { ${fields(60)} }`)).toMatch(/60 aliases/)
  })
})

describe('the directives of a document', () => {
  const skip = '@skip(if: false)'

  it('are 50 at most, wherever they are', () => {
    expect(excess(`{ a ${repeated(skip, 50)} }`)).toBeNull()
    expect(excess(`{ a ${repeated(skip, 51)} }`)).toBe('The document has 51 directives: 50 at most')
    const everywhere = `query($v: Int ${skip}) ${skip} { a ${skip} ... ${skip} { b } ...F ${skip} } fragment F on A ${skip} { c ${skip} }`
    expect(excess(everywhere)).toBeNull()
    expect(excess(everywhere.replaceAll(skip, repeated(skip, 8)))).toMatch(/56 directives/)
  })
})

describe('a document that spreads fragments in each other', () => {
  const doubling = (count: number, set: (next: string) => string) =>
    `{ ...F0 } ${Array.from({ length: count }, (_, at) => `fragment F${at} on Query { ${set(`...F${at + 1}`)} }`).join(' ')} fragment F${count} on Query { x: __typename }`

  it('is looked at once a fragment, however many aliases that comes to', () => {
    expect(excess(doubling(400, (next) => `${next} ${next}`))).toBe(
      'The document has 9,007,199,254,740,991 aliases: 50 at most',
    )
    expect(excess(doubling(400, (next) => `a { ${next} } b { ${next} }`))).toMatch(/401 levels/)
  })

  it('in a circle is left to validation, as is one that is not there', () => {
    expect(excess('{ ...F } fragment F on Query { a { ...G } } fragment G on Query { b { ...F } }')).toBeNull()
    expect(excess('{ ...F }')).toBeNull()
    expect(excess('fragment F on Query { a }')).toBeNull()
  })

  it('may have names that objects have by themselves', () => {
    const names = ['__proto__', 'constructor', 'toString']
    const fragments = names.map((name) => `fragment ${name} on Query { ${fields(20)} }`)
    expect(excess(`{ ...__proto__ ...constructor } ${fragments.join(' ')}`)).toBeNull()
    expect(excess(`{ ${names.map((name) => `...${name}`).join(' ')} } ${fragments.join(' ')}`)).toMatch(/60 aliases/)
  })
})

it('every example is within the limits', () => {
  expect(EXAMPLES.map(({ query }) => excess(query)).filter(Boolean)).toEqual([])
})
