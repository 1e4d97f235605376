/**
 * How deep a document may go, and how many aliases and directives it may have. Told from its syntax alone, before anything of it
 * is looked up: what is refused here costs no validation.
 */

import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql'
import { costLimit } from './errors.js'

/** The introspection of common tools is this deep. */
export const MAX_DEPTH = 15
export const MAX_ALIASES = 50
export const MAX_DIRECTIVES = 50
/** The schema's names have forty; of one that is not there the nearest are looked for. */
export const MAX_NAME_CHARACTERS = 200
/** Names, numbers, strings and punctuation. */
export const MAX_TOKENS = 5000

/** Of an operation, or of a part of one, with each fragment counted wherever it is spread. */
export interface DocumentSize {
  /** Levels of fields. */
  readonly depth: number
  readonly aliases: number
  readonly directives: number
}

const NOTHING: DocumentSize = { depth: 0, aliases: 0, directives: 0 }

/** Why the document is refused; null where it is within its limits. Each of its operations has them for itself. */
export function documentExcess(document: DocumentNode): GraphQLError | null {
  const measure = new Measure(document)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const excess = excessOf(measure.operation(definition))
    if (excess !== null) return excess
  }
  const { longestName } = measure
  if (longestName <= MAX_NAME_CHARACTERS) return null
  return costLimit(
    `The document has a name of ${longestName.toLocaleString('en')} letters`,
    longestName,
    MAX_NAME_CHARACTERS,
  )
}

function excessOf({ depth, aliases, directives }: DocumentSize): GraphQLError | null {
  if (depth > MAX_DEPTH) return costLimit(`The document is ${depth.toLocaleString('en')} levels deep`, depth, MAX_DEPTH)
  if (aliases > MAX_ALIASES)
    return costLimit(`The document has ${aliases.toLocaleString('en')} aliases`, aliases, MAX_ALIASES)
  if (directives <= MAX_DIRECTIVES) return null
  return costLimit(`The document has ${directives.toLocaleString('en')} directives`, directives, MAX_DIRECTIVES)
}

/** Looks at each fragment once, however often it is spread. */
class Measure {
  readonly #fragments = new Map<string, FragmentDefinitionNode>()
  readonly #sizes = new Map<string, DocumentSize>()
  /** Of the fields and arguments seen so far. */
  longestName = 0

  constructor(document: DocumentNode) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(definition.name.value, definition)
    }
  }

  operation({ directives, variableDefinitions, selectionSet }: OperationDefinitionNode): DocumentSize {
    const own = [directives, ...(variableDefinitions ?? []).map((variable) => variable.directives)]
    const count = own.reduce((sum, list) => sum + (list?.length ?? 0), 0)
    return plus({ ...NOTHING, directives: count }, this.#selections(selectionSet))
  }

  #selections(set: SelectionSetNode | undefined): DocumentSize {
    let sum = NOTHING
    for (const selection of set?.selections ?? []) sum = plus(sum, this.#selection(selection))
    return sum
  }

  #selection(selection: SelectionNode): DocumentSize {
    const within =
      selection.kind === Kind.FRAGMENT_SPREAD
        ? this.#fragment(selection.name.value)
        : this.#selections(selection.selectionSet)
    const isField = selection.kind === Kind.FIELD
    if (isField) {
      for (const { name } of [selection, ...(selection.arguments ?? [])])
        this.longestName = Math.max(this.longestName, name.value.length)
    }
    return {
      depth: within.depth + (isField ? 1 : 0),
      aliases: within.aliases + (isField && selection.alias ? 1 : 0),
      directives: within.directives + (selection.directives?.length ?? 0),
    }
  }

  /** What is not there, or spreads itself, is nothing here: validation refuses it. */
  #fragment(name: string): DocumentSize {
    const known = this.#sizes.get(name)
    if (known) return known
    this.#sizes.set(name, NOTHING)
    const fragment = this.#fragments.get(name)
    const within = this.#selections(fragment?.selectionSet)
    const size = { ...within, directives: within.directives + (fragment?.directives?.length ?? 0) }
    this.#sizes.set(name, size)
    return size
  }
}

function plus(a: DocumentSize, b: DocumentSize): DocumentSize {
  return {
    depth: Math.max(a.depth, b.depth),
    aliases: sumOf(a.aliases, b.aliases),
    directives: sumOf(a.directives, b.directives),
  }
}

/** Fragments that spread each other come to figures beyond all numbers. */
function sumOf(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER)
}
