/** What an item takes from one stage of a pipeline to the next. */

import { get, type Json as PointedJson, pointerSegments } from '@hyperjump/json-pointer'
import type { BatchSpec, FetchRequest, Json, StageSpec } from './batch.js'
import { fetchAt } from './fetch-column.js'
import { jsonProblem } from './json.js'
import { BadLine, requestOfValue } from './line-items.js'
import { shown } from './requests.js'
import { outputAt, type ResultColumns } from './results.js'
import type { StageKind } from './strategy.js'
import type { FetchDetail } from './task.js'

/** From one stage to the one after it. Survives a structured clone. */
export interface StageLink {
  /** What the next stage does. */
  to: StageKind
  /** Where its input is in what this one gives, a JSON pointer; '' for all of it. */
  from: string
  /** Whether this stage gives what is known of its fetches, as it keeps no body. */
  givesDetail: boolean
}

/** What this stage gives to the next one; null of the last. */
export function linkAfter({ stages }: Pick<BatchSpec, 'stages'>, stage: number): StageLink | null {
  const [own, next] = [stages[stage], stages[stage + 1]]
  if (own === undefined || next === undefined) return null
  return { to: next.kind, from: next.from ?? '', givesDetail: givesDetail(own) }
}

function givesDetail(stage: StageSpec): boolean {
  return stage.kind === 'FETCH' && (stage.fetch.bodyPolicy === 'DISCARD' || stage.fetch.bodyPolicy === 'STORE')
}

/** What was expected of a JSON pointer (RFC 6901) that is none; null for one. */
export function pointerProblem(pointer: string): string | null {
  try {
    for (const _ of pointerSegments(pointer)) {
      // Each is read as it is asked for.
    }
    return null
  } catch {
    return 'a JSON pointer, such as /items/0/url'
  }
}

/**
 * The input of the next stage as it travels: a JSON text, or this sign and why there is none, which fails the task there
 * with INVALID_INPUT. No JSON begins with it.
 */
const NOTHING = '!'

/** Of a task that succeeded: its output, a JSON text, and what is known of its fetch. */
export interface Given {
  output: string | null
  fetch: Pick<FetchDetail, 'url' | 'status' | 'bytes' | 'sha256' | 'contentType'> | null
}

/** What the next stage gets. What is handed to a fetch is a request that can be sent. */
export function handOver({ to, from, givesDetail: isDetail }: StageLink, { output, fetch }: Given): string {
  const text = isDetail ? detailText(fetch) : (output ?? 'null')
  // It is read where it is computed with.
  if (to === 'COMPUTE' && from === '') return text
  const found = from === '' ? parse(text) : pointed(parse(text), from)
  if (found === undefined) return `${NOTHING}${shown(from)} points at nothing in what the stage before gave`
  try {
    return JSON.stringify(to === 'FETCH' ? requestOfValue(found) : exact(found))
  } catch (error) {
    if (error instanceof BadLine) return NOTHING + error.message
    throw error
  }
}

function exact(value: Json): Json {
  const problem = jsonProblem(value)
  if (problem !== null) throw new BadLine('', problem)
  return value
}

/** Whether what is handed over is the output as it is: it need not travel twice. */
export function isWholeOutput({ to, from, givesDetail: isDetail }: StageLink): boolean {
  return to === 'COMPUTE' && from === '' && !isDetail
}

/** What the item at this place of the columns hands over. It has succeeded. */
export function handedOverAt(columns: ResultColumns, at: number, link: StageLink): string {
  const { handedOver, outputs, fetches } = columns
  const told = outputAt(handedOver, at)
  if (told !== null) return told
  return handOver(link, { output: outputAt(outputs, at), fetch: link.givesDetail ? fetchAt(fetches, at) : null })
}

/** The input that was handed over, to be computed with; or why there is none. */
export function readHandedOver(text: string): { input: Json; problem: null } | { problem: string } {
  if (text.startsWith(NOTHING)) return { problem: text.slice(NOTHING.length) }
  const input = parse(text)
  const problem = jsonProblem(input)
  return problem === null ? { input, problem } : { problem }
}

/** What was handed to a fetch, as an item of a list of requests. */
export function readRequestHandedOver(text: string): string | (FetchRequest & { problem?: string }) {
  if (!text.startsWith(NOTHING)) return parse(text) as unknown as string | FetchRequest
  return { url: '', method: 'GET', headers: [], body: null, problem: text.slice(NOTHING.length) }
}

function detailText(fetch: Given['fetch']): string {
  if (fetch === null) return 'null'
  const { url, status, bytes, sha256, contentType } = fetch
  return JSON.stringify({ url, status, bytes, sha256, contentType })
}

function parse(text: string): Json {
  return JSON.parse(text) as Json
}

/** Undefined where there is nothing. */
function pointed(value: Json, pointer: string): Json | undefined {
  try {
    return get(pointer, value as PointedJson) as Json | undefined
  } catch {
    // There is nothing on the way to it.
    return undefined
  }
}
