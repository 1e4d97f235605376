/**
 * The contract of counting: every item of a source is looked at, without anything being done with it. Which items repeat an
 * earlier one, where requests go, and what lines of a file are no items.
 */

import type { Header, Json, Source } from '../domain/batch.js'
import type { HostCount } from '../domain/plan.js'

/** What a batch's first stage makes of its items. Survives a structured clone, as all below. */
export type ItemUse =
  /** `headers`: of the batch, sent with each request. */
  | { kind: 'FETCH'; headers: readonly Header[] }
  /** Null where nothing is known of the function: its inputs are not held against a schema. */
  | { kind: 'COMPUTE'; inputSchema: Json | null }

export interface CountRequest {
  source: Source
  /** The items of a list, in order; null for any other source. */
  items: readonly unknown[] | null
  /** The file of a file source: its name in the folder of uploads, and see LineTable. */
  file: { file: string; stretches: Float64Array } | null
  use: ItemUse
  /** Items to pick, to be tried: the first, the last, and some between. */
  picks: number
}

/** What is wrong with an item that was not looked at when its source was checked. */
export interface ItemProblem {
  index: number
  /** The way to what is wrong within the item. */
  path: (string | number)[]
  message: string
}

export interface PickedItem {
  index: number
  /** A URL, a request or an input. */
  item: Json
}

export interface ItemCount {
  /** Items that repeat an earlier one: the same request, or an equal input. */
  duplicates: number
  /** See BatchPlan. */
  hosts: HostCount[]
  hostCount: number
  /** Requests with a method that may change something where they go. */
  unsafe: number
  /** The first of them. */
  problems: ItemProblem[]
  problemCount: number
  /** Those that can be tried: readable ones, and of requests different ones that change nothing where they go. In the order of trying. */
  picked: PickedItem[]
}

export interface ItemCounter {
  /** Rejects with the signal's reason once that is aborted, and with what is wrong where a file cannot be read. */
  count(request: CountRequest, signal: AbortSignal): Promise<ItemCount>
  /** Ends what is being counted, which rejects. Safe to call twice. */
  close(): Promise<void>
}

/** Problems that are told; the others are counted. */
export const MAX_TOLD_PROBLEMS = 100
