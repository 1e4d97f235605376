import type { FunctionContext } from '../function.js'

/** What a long loop does at each of its blocks: ends where the task was aborted, and says how far it is. */
export function checkpoint(context: FunctionContext, fraction: number): void {
  if (context.signal.aborted) throw new Error('ended early: the task was aborted')
  context.progress(fraction)
}
