/** The one schema builder: the types that all nouns share, and how plugins are set. */

import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import RelayPlugin from '@pothos/plugin-relay'
import ScopeAuthPlugin from '@pothos/plugin-scope-auth'
import { Scope } from '../domain/access.js'
import type { UploadedFile } from '../domain/upload.js'
import type { ApiContext } from './context.js'
import { defaultCost, EACH_OF_PAGE } from './cost.js'
import { forbiddenField } from './errors.js'

/** What Pothos is told of the types behind the schema. */
export interface SchemaTypes {
  Context: ApiContext
  /** What the caller's token has to open. */
  AuthScopes: { scope: Scope }
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    JSON: { Input: unknown; Output: unknown }
    Upload: { Input: UploadedFile; Output: never }
  }
  DefaultFieldNullability: false
  DefaultEdgesNullability: false
  DefaultNodeNullability: false
  Connection: {
    /** Counted only where it is asked for. */
    count: () => Promise<number>
  }
}

/** Fields are non-null unless they say otherwise; arguments and input fields are nullable unless they do. */
export const builder = new SchemaBuilder<SchemaTypes>({
  defaultFieldNullability: false,
  plugins: [ScopeAuthPlugin, RelayPlugin, ComplexityPlugin],
  complexity: { fieldComplexity: defaultCost },
  scopeAuth: {
    authScopes: ({ scopes }) => ({ scope: (scope) => scopes.has(scope) }),
    // Before a subscription opens, and not at each of its events.
    authorizeOnSubscribe: true,
    unauthorizedError: (_parent, _context, { parentType, fieldName }) =>
      forbiddenField(`${parentType.name}.${fieldName}`),
  },
  relay: {
    // Node ids are ours (domain/ids.ts), and so are the two queries that take them: see node.ts.
    nodeQueryOptions: false,
    nodesQueryOptions: false,
    idFieldOptions: {
      description: 'The id of the object, unique over all types: opaque, and the same as long as the object lives.',
    },
    nodeTypeOptions: { description: 'What has an id that Query.node finds it by.' },
    pageInfoTypeOptions: { description: 'Where a page stands in its list.' },
    hasNextPageFieldOptions: { description: 'Whether the list goes on after this page.' },
    hasPreviousPageFieldOptions: { description: 'Whether the list has something before this page.' },
    startCursorFieldOptions: { description: 'The cursor of the first node; null where the page is empty.' },
    endCursorFieldOptions: {
      description: 'The cursor of the last node, to ask for what comes after it; null where the page is empty.',
    },
    edgesFieldOptions: {
      nullable: false,
      description: 'The nodes of the page, each with its cursor.',
      complexity: EACH_OF_PAGE,
    },
    nodeFieldOptions: { nullable: false, description: 'The object itself.', complexity: 0 },
    nodesOnConnection: { description: 'The nodes of the page.', complexity: EACH_OF_PAGE },
    cursorFieldOptions: {
      description: 'The place of the node in its list: opaque, good for the list and order that it came from.',
    },
    pageInfoFieldOptions: { description: 'Where the page stands in the list.', complexity: 0 },
    firstArgOptions: { description: 'At most this many from the start of the list, or after `after`; 0 to 1,000.' },
    lastArgOptions: {
      description:
        'At most this many from the end of the list, or before `before`; 0 to 1,000. Not together with `first`.',
    },
    afterArgOptions: { description: 'A cursor: only what comes after it.' },
    beforeArgOptions: { description: 'A cursor: only what comes before it.' },
    cursorType: 'String',
    clientMutationId: 'omit',
  },
})

// A field that says nothing else takes the scope of its root type.
builder.queryType({
  description: 'What can be read. A query for what is not there answers null.',
  authScopes: { scope: Scope.READ },
})
builder.mutationType({
  description: 'What changes something. What the caller can mend comes back as userErrors.',
  authScopes: { scope: Scope.LAUNCH },
})
builder.subscriptionType({
  description: 'What can be watched, over Server-Sent Events or WebSocket alike.',
  authScopes: { scope: Scope.READ },
})

/**
 * For a field of a run that leads to what it carries or to other runs: a mutation answers with the run, and a token that may
 * launch alone gets to see no more than how the run is.
 */
export const TO_READERS: { authScopes: { scope: Scope } } = { authScopes: { scope: Scope.READ } }

/** For a field of a root type that takes another scope. */
export function takes(scope: Scope): { skipTypeScopes: true; authScopes: { scope: Scope } } {
  return { skipTypeScopes: true, authScopes: { scope } }
}

/** Counts the whole list, whatever the page. */
builder.globalConnectionField('totalCount', (t) =>
  t.int({
    description: 'How many nodes the whole list has, with its filter and without paging.',
    // Its page has paid for it.
    complexity: 0,
    resolve: (connection) => connection.count(),
  }),
)
