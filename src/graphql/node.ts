/** Finding anything that has an id. */

import { parseNodeId, type RunKey } from '../domain/ids.js'
import type { RunView } from '../engine/engine.js'
import { builder } from './builder.js'
import type { ApiContext } from './context.js'
import { LOOKUP, listOf } from './cost.js'
import { sizeWithin } from './pages.js'
import { ComparisonNode, type TaskNode, taskNodes } from './refs.js'

const MAX_NODES = 1000

/** Reads nodes; several tasks of one run read the run once. */
class NodeReader {
  readonly #runs = new Map<RunKey, Promise<RunView | null>>()

  constructor(readonly context: ApiContext) {}

  async read(id: string): Promise<RunView | TaskNode | ComparisonNode | null> {
    const node = parseNodeId(id)
    if (node === null) return null
    if (node.type === 'comparison') {
      const comparison = await this.context.store.comparison(node.comparison)
      return comparison && new ComparisonNode(comparison, this.context.engine)
    }
    const run = await this.#run(node.run)
    if (run === null || node.type === 'run') return run
    const record = await this.context.store.task(run.record.id, node.stage, node.index)
    return record && (taskNodes(this.context.engine, run, [record])[0] ?? null)
  }

  #run(key: RunKey): Promise<RunView | null> {
    const known = this.#runs.get(key) ?? this.context.engine.run(key)
    this.#runs.set(key, known)
    return known
  }
}

builder.queryFields((t) => ({
  node: t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'The object of this id; null where there is none.',
    complexity: LOOKUP,
    args: { id: t.arg.id({ required: true, description: 'The id of a run, a task or a comparison.' }) },
    resolve: (_root, { id }, context) => new NodeReader(context).read(id),
  }),
  nodes: t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: false, items: true },
    complexity: ({ ids }) => listOf(ids.length, ids.length * LOOKUP),
    description: 'The objects of these ids, in the same order; null where there is none.',
    args: {
      ids: t.arg.idList({ required: true, description: 'The ids of runs, tasks and comparisons, 1,000 at most.' }),
    },
    resolve: (_root, { ids }, context) => {
      sizeWithin('ids', ids.length, MAX_NODES)
      const reader = new NodeReader(context)
      return Promise.all(ids.map((id) => reader.read(id)))
    },
  }),
}))
