/** GraphQL documents made from the schema: half of them such as it takes, the others with something wrong in one or two places. */

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
  isScalarType,
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

/** A document, and what its variables stand for. */
export interface Written {
  query: string
  variables: Record<string, unknown>
}

export function documentOf(g: Gen, known: Known): Written {
  return new Writer(g, known).document()
}

class Writer {
  readonly #fragments: string[] = []
  readonly #declared: string[] = []
  readonly #variables: Record<string, unknown> = {}
  #aliases = 0
  /** What may still go wrong. */
  #faults = 0

  constructor(
    private readonly g: Gen,
    private readonly known: Known,
  ) {}

  document(): Written {
    this.#faults = oneOf(this.g, [0, 0, 0, 1, 1, 2])
    const { g } = this
    const operation = oneOf(g, ['query', 'query', 'query', 'mutation', 'subscription'] as const)
    const root = {
      query: schema.getQueryType(),
      mutation: schema.getMutationType(),
      subscription: schema.getSubscriptionType(),
    }[operation] as GraphQLObjectType
    // A subscription has one root field.
    const body = this.#selections(root, 4, operation === 'subscription' ? 1 : 1 + count(g, 3))
    const declared = this.#declared.length === 0 ? '' : `(${this.#declared.join(' ')})`
    const name = chance(g, 30) || declared !== '' ? ' Named' : ''
    const query = `${operation}${name}${declared} ${body} ${this.#fragments.join(' ')}`
    return { query: this.#goesWrong(30) ? mangled(g, query) : query, variables: this.#variables }
  }

  /** True in so many of a hundred cases, as often as the document may have something wrong. */
  #goesWrong(percent: number): boolean {
    if (this.#faults === 0 || !chance(this.g, percent)) return false
    this.#faults -= 1
    return true
  }

  #selections(type: GraphQLNamedType, depth: number, size = 1 + count(this.g, 3)): string {
    const { g } = this
    if (!isObjectType(type)) return '{ __typename }'
    const fields = Object.values(type.getFields())
    const written = Array.from({ length: size }, () => this.#selection(type, oneOf(g, fields), depth))
    return `{ ${written.join(' ')} }`
  }

  #selection(type: GraphQLObjectType, field: GraphQLField<unknown, unknown>, depth: number): string {
    const { g } = this
    const named = getNamedType(field.type)
    if (isCompositeType(named) && depth === 0) return '__typename'
    const args = this.#args(field.args)
    this.#aliases += 1
    // Two of one name could ask for different things.
    const plain = args === '' && chance(g, 70) ? '' : `a${this.#aliases}: `
    const alias = this.#goesWrong(5) ? oneOf(g, ['__proto__: ', 'a1: ']) : plain
    const directive = this.#goesWrong(5)
      ? oneOf(g, ['@skip(if: null)', '@include(if: $a)', '@nothing', '@skip @skip'])
      : oneOf(g, ['', '', '', '', type.name === 'Subscription' ? '' : '@include(if: true)'])
    const below = isCompositeType(named) ? this.#selections(named, depth - 1) : ''
    const text = `${alias}${field.name}${args} ${directive} ${below}`
    if (!chance(g, 10)) return text
    const name = `F${this.#fragments.length}`
    this.#fragments.push(`fragment ${name} on ${type.name} { ${text} ${this.#goesWrong(20) ? `...${name}` : ''} }`)
    return `...${name}`
  }

  #args(args: readonly GraphQLArgument[]): string {
    const given = args.filter((arg) => isNonNullType(arg.type) || chance(this.g, 30))
    return given.length === 0 ? '' : `(${given.map((arg) => this.#given(arg)).join(' ')})`
  }

  #given({ name, type }: GraphQLArgument | GraphQLInputField): string {
    const fixed = FIXED[name]
    if (fixed) return `${name}: ${oneOf(this.g, fixed)}`
    if (this.#goesWrong(15)) return `${name}: ${this.#wrong()}`
    const named = getNamedType(type)
    if (!isScalarType(named) || !chance(this.g, 20)) return `${name}: ${this.#literal(type, 4)}`
    const variable = `v${this.#declared.length}`
    this.#declared.push(`$${variable}: ${type}`)
    this.#variables[variable] = chance(this.g, 90) ? this.#valueOf(type) : json(this.g)
    return `${name}: $${variable}`
  }

  /** As a variable has it. */
  #valueOf(type: GraphQLInputType): unknown {
    if (isNonNullType(type)) return this.#valueOf(type.ofType)
    if (isListType(type)) return [this.#valueOf(type.ofType)]
    const literal = this.#scalar(getNamedType(type).name)
    try {
      return JSON.parse(literal)
    } catch {
      return literal
    }
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
    if (name === 'Int') return String(chance(g, 70) ? count(g, 20) : Math.trunc(number(g) % 2 ** 31))
    if (name === 'DateTime' && chance(g, 80)) return '"2026-11-29T00:00:00Z"'
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
  const from = count(g, document.length)
  const to = from + count(g, 20)
  const instead = oneOf(g, ['', '{', '}', '"""', '\u0000', '...', '#', document.slice(from, to).repeat(3), '(', '@'])
  return document.slice(0, from) + instead + document.slice(to)
}
