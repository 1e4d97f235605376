/** Names of things: what clients hold are node ids, opaque to them; inside, a run or a comparison is known by its key. */

/** 32 lower-case hex digits, unique over all servers. */
export type RunKey = string & { readonly brand: 'RunKey' }

/** The same for a comparison. */
export type ComparisonKey = string & { readonly brand: 'ComparisonKey' }

export type NodeId =
  | { type: 'run'; run: RunKey }
  | { type: 'task'; run: RunKey; stage: number; index: number }
  | { type: 'comparison'; comparison: ComparisonKey }

/** Anything with dashes taken out of a UUID. */
export function toRunKey(uuid: string): RunKey {
  return uuid.replaceAll('-', '') as RunKey
}

export function toComparisonKey(uuid: string): ComparisonKey {
  return uuid.replaceAll('-', '') as ComparisonKey
}

export function runId(key: RunKey): string {
  return `run_${key}`
}

export function taskId(key: RunKey, stage: number, index: number): string {
  return `task_${key}_${stage}_${index}`
}

export function comparisonId(key: ComparisonKey): string {
  return `comparison_${key}`
}

const RUN_ID = /^run_([0-9a-f]{32})$/
const TASK_ID = /^task_([0-9a-f]{32})_(0|[1-9]\d{0,5})_(0|[1-9]\d{0,14})$/
const COMPARISON_ID = /^comparison_([0-9a-f]{32})$/

/** Null for what is no id of ours. */
export function parseNodeId(id: string): NodeId | null {
  const run = RUN_ID.exec(id)
  if (run) return { type: 'run', run: run[1] as RunKey }
  const task = TASK_ID.exec(id)
  if (task) return { type: 'task', run: task[1] as RunKey, stage: Number(task[2]), index: Number(task[3]) }
  const comparison = COMPARISON_ID.exec(id)
  return comparison && { type: 'comparison', comparison: comparison[1] as ComparisonKey }
}

/** The run's key of a run id; null for any other id. */
export function parseRunId(id: string): RunKey | null {
  const node = parseNodeId(id)
  return node?.type === 'run' ? node.run : null
}

/** The comparison's key of a comparison id; null for any other id. */
export function parseComparisonId(id: string): ComparisonKey | null {
  const node = parseNodeId(id)
  return node?.type === 'comparison' ? node.comparison : null
}
