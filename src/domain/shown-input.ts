/** The inputs of tasks, as those who may read a run get to see them. */

import { type BatchSpec, isUnsendable, type Json } from './batch.js'
import { linkAfter, readHandedOver } from './hand-over.js'
import { maskFetchInput } from './secrets.js'

/** The input of a stage, secrets masked where it is a request, or what is known of one. */
export function shownInput(spec: BatchSpec, stage: number, input: Json): Json {
  const isRequest = spec.stages[stage]?.kind === 'FETCH'
  // What is told of a fetch has its URL.
  const isDetail = stage > 0 && linkAfter(spec, stage - 1)?.givesDetail === true
  return isRequest || isDetail ? maskFetchInput(input) : input
}

/** An item of a file: of a line that is no request the line, shortened. */
export function toldItem(item: Json): Json {
  return isUnsendable(item) ? item.url : item
}

/** What the stage before gave; null where it gave nothing that could be an input. */
export function toldInput(handedOver: string): Json {
  const read = readHandedOver(handedOver)
  return read.problem === null ? read.input : null
}
