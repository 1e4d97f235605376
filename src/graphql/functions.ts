/** The functions that compute batches call. */

import type { FunctionInfo } from '../functions/function.js'
import { builder } from './builder.js'
import { listOf } from './cost.js'

/** Those that are built in, and a few of the owner's. */
const TYPICAL_FUNCTIONS = 30

const ComputeFunctionType = builder.objectRef<FunctionInfo>('ComputeFunction').implement({
  description: 'A function that a compute batch can call: built in, or from HEDDLE_FUNCTIONS_DIR.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What a launch names it by.' }),
    description: t.exposeString('description', { description: 'What it computes.' }),
    inputSchema: t.expose('inputSchema', { type: 'JSON', description: 'JSON Schema of one input.' }),
    outputSchema: t.expose('outputSchema', {
      type: 'JSON',
      nullable: true,
      description: 'JSON Schema of one output; null where it declares none.',
    }),
    example: t.expose('example', { type: 'JSON', description: 'One input that works.' }),
  }),
})

builder.queryField('functions', (t) =>
  t.field({
    type: [ComputeFunctionType],
    complexity: listOf(TYPICAL_FUNCTIONS),
    description: 'The functions that compute batches can call, by name.',
    resolve: (_root, _args, { functions }) => functions,
  }),
)
