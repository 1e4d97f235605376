/** An operation to start from, as a tab of GraphiQL. */

export interface Example {
  query: string
  variables: Record<string, unknown> | null
}

/** To be replaced by the id that a launch answered with. */
export const RUN_ID = 'run_00000000000000000000000000000000'
export const COMPARISON_ID = 'comparison_00000000000000000000000000000000'
