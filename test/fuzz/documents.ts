/** GraphQL documents made from the schema: mostly such as it takes, with something wrong here and there. */

import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql'
import { schema } from '../../src/graphql/schema.js'
import { chance, count, type Gen, json, number, oneOf, text } from './values.js'

/** What the server knows, by what it is. */
export interface Known {
  ids: readonly string[]
  cursors: readonly string[]
}

/** So that a case takes milliseconds: no function that computes for long, and nothing that waits for a probe. */
const FUNCTIONS = ['hash', 'wordFrequencies', 'jsonQuery', 'nothing', '__proto__']
const FIXED: Readonly<Record<string, readonly string[]>> = {
  function: FUNCTIONS.map((name) => JSON.stringify(name)),
  probe: ['false'],
  rounds: ['1', '0', '-1', '1000000'],
  backoffMs: ['0'],
  timeoutMs: ['1', '100', '0', '-1'],
  to: ['0', '3', '20', '1000000000'],
}

export function documentOf(g: Gen, known: Known): string {
  return new Writer(g, known).document()
}

class Writer {
  readonly #fragments: string[] = []

  constructor(
    private readonly g: Gen,
    private readonly known: Known,
  ) {}

  document(): string {
    const { g } = this
    const operation = oneOf(g, ['query', 'query', 'query', 'mutation', 'subscription'] as const)
    const root = {
      query: schema.getQueryType(),
      mutation: schema.getMutationType(),
      subscription: schema.getSubscriptionType(),
    }[operation] as GraphQLObjectType
    const variables = chance(g, 20)
      ? `($a: ${oneOf(g, ['Int', 'String!', 'JSON', '[ID!]', 'Nothing'])} = ${this.#wrong()})`
      : ''
    const body = this.#selections(root, 4)
    const name = chance(g, 30) ? ' Named' : ''
    return mangled(g, `${operation}${name}${variables} ${body} ${this.#fragments.join(' ')}`)
  }

  #selections(type: GraphQLNamedType, depth: number): string {
    const { g } = this
    if (!isObjectType(type)) return '{ __typename }'
    const fields = Object.values(type.getFields())
    const written = Array.from({ length: 1 + count(g, 3) }, () => this.#selection(type, oneOf(g, fields), depth))
    return `{ ${written.join(' ')} }`
  }

  #selection(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>, depth: number): string {
    const { g } = this
    const named = getNamedType(field.type)
    if (isCompositeType(named) && depth === 0) return '__typename'
    const alias = chance(g, 30) ? `${oneOf(g, ['a', 'b', '__proto__', field.name])}: ` : ''
    const directive = chance(g, 5) ? oneOf(g, ['@skip(if: true)', '@include(if: $a)', '@nothing', '@skip @skip']) : ''
    const below = isCompositeType(named) ? this.#selections(named, depth - 1) : ''
    const text = `${alias}${field.name}${this.#args(field.args)} ${directive} ${below}`
    if (!chance(g, 10)) return text
    const name = `F${this.#fragments.length}`
    this.#fragments.push(`fragment ${name} on ${type.name} { ${text} ${chance(g, 10) ? `...${name}` : ''} }`)
    return `...${name}`
  }

  #args(args: readonly GraphQLArgument[]): string {
    const given = args.filter((arg) => isNonNullType(arg.type) || chance(this.g, 30))
    return given.length === 0 ? '' : `(${given.map((arg) => this.#given(arg)).join(' ')})`
  }

  #given({ name, type }: GraphQLArgument | GraphQLInputField): string {
    const fixed = FIXED[name]
    if (fixed) return `${name}: ${oneOf(this.g, fixed)}`
    return `${name}: ${chance(this.g, 8) ? this.#wrong() : this.#literal(type, 4)}`
  }

  #literal(type: GraphQLInputType, depth: number): string {
    const { g } = this
    if (isNonNullType(type)) return this.#literal(type.ofType, depth)
    if (isListType(type)) {
      return `[${Array.from({ length: count(g, 3) }, () => this.#literal(type.ofType, depth - 1)).join(' ')}]`
    }
    if (isEnumType(type)) return oneOf(g, type.getValues()).name
    if (isInputObjectType(type)) {
      const fields = Object.values(type.getFields()).filter((field) => getNamedType(field.type).name !== 'Upload')
      const given = type.isOneOf
        ? [oneOf(g, fields)]
        : fields.filter((field) => isNonNullType(field.type) || (depth > 0 && chance(g, 30)))
      return `{ ${given.map((field) => this.#given(field)).join(' ')} }`
    }
    return this.#scalar(type.name)
  }

  #scalar(name: string): string {
    const { g, known } = this
    if (name === 'Int') return String(Math.trunc(number(g) % 2 ** 32))
    if (name === 'Float') return String(number(g))
    if (name === 'Boolean') return String(chance(g, 50))
    if (name === 'ID') return JSON.stringify(text(g, known.ids))
    if (name === 'JSON') return asLiteral(json(g))
    return JSON.stringify(text(g, known.cursors))
  }

  #wrong(): string {
    return oneOf(this.g, ['null', '$a', '$nothing', '""', '-', '{}', '[[]]', 'NOTHING', '1e9999', '{ __proto__: {} }'])
  }
}

function asLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(asLiteral).join(' ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  // Names as GraphQL has them; the others go the way of variables.
  const fields = Object.entries(value).filter(([name]) => /^[_a-z]\w*$/i.test(name))
  return `{ ${fields.map(([name, field]) => `${name}: ${asLiteral(field)}`).join(' ')} }`
}

/** Some of it taken out, doubled or replaced. */
function mangled(g: Gen, document: string): string {
  if (!chance(g, 10)) return document
  const from = count(g, document.length)
  const to = from + count(g, 20)
  const instead = oneOf(g, ['', '{', '}', '"""', '\u0000', '...', '#', document.slice(from, to).repeat(3), '(', '@'])
  return document.slice(0, from) + instead + document.slice(to)
}
