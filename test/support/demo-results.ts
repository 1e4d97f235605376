import type { RunResult, TaskResult } from '../../src/demo/api.js'

/** What a run came to, as the demonstration reads it. */
export function runResult(tasks: readonly Partial<TaskResult>[], errors: RunResult['errors'] = []): RunResult {
  const nodes = tasks.map((task, at) => ({
    stage: 0,
    index: at,
    status: 'SUCCEEDED',
    output: null,
    fetch: null,
    ...task,
  }))
  return {
    status: 'SUCCEEDED',
    lanes: 1,
    concurrency: 1,
    timings: null,
    stages: [],
    diagnostics: [],
    timeline: [],
    errors,
    tasks: { nodes },
  }
}
