/** Launching comparisons and following them, as clients do. */

import type { ApiClient, Launched, Variables } from './api.js'

export interface LaunchedComparison {
  comparison: { id: string; status: string } | null
  userErrors: Launched['userErrors']
}

export const LAUNCH_COMPARISON = `mutation($input: LaunchComparisonInput!) {
  launch: launchComparison(input: $input) {
    comparison { id status } userErrors { code message field retryAfterMs }
  }
}`

export async function launchComparison(api: ApiClient, input: Variables): Promise<LaunchedComparison> {
  return (await api.ask<{ launch: LaunchedComparison }>(LAUNCH_COMPARISON, { input })).launch
}

/** Launches what must be accepted; its id. */
export async function startComparison(api: ApiClient, input: Variables): Promise<string> {
  const { comparison, userErrors } = await launchComparison(api, input)
  if (!comparison) throw new Error(JSON.stringify(userErrors))
  return comparison.id
}

/** Fields of a comparison that must be there. */
export async function readComparison<Fields>(api: ApiClient, id: string, fields: string): Promise<Fields> {
  const query = `query($id: ID!) { comparison(id: $id) { ${fields} } }`
  const { comparison } = await api.ask<{ comparison: Fields | null }>(query, { id })
  if (!comparison) throw new Error(`there is no comparison ${id}`)
  return comparison
}

export interface ComparisonState {
  status: string
  verdict: string | null
  rows: { strategy: string; runs: number }[]
  runs: { id: string; strategy: string; status: string }[]
}

export const COMPARISON_UPDATED = `subscription($id: ID!) {
  comparisonUpdated(id: $id, maxPerSecond: 60) {
    status verdict rows { strategy runs } runs { id strategy status }
  }
}`

/** Follows the comparison until a state is of interest, or to its end; the last state. */
export async function followComparison(
  api: ApiClient,
  id: string,
  until: (state: ComparisonState) => boolean = () => false,
): Promise<ComparisonState> {
  let last: ComparisonState | null = null
  for await (const { comparisonUpdated } of api.subscribe<{ comparisonUpdated: ComparisonState }>(COMPARISON_UPDATED, {
    id,
  })) {
    last = comparisonUpdated
    if (until(comparisonUpdated)) break
  }
  if (!last) throw new Error('the stream was empty')
  return last
}
