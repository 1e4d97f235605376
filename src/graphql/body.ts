/** Stored bodies as text. */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { StageSpec } from '../domain/batch.js'
import { storedBodyUrl, storedFetch } from '../domain/stored-body.js'
import type { FetchDetail } from '../domain/task.js'
import { decodeText, PiecewiseText } from '../domain/text.js'
import { AnswerBudget } from './answer-budget.js'
import { builder } from './builder.js'
import type { ApiContext } from './context.js'
import { badUserInput } from './errors.js'
import { type TaskNode, TaskType } from './refs.js'

const DEFAULT_BYTES = 1_048_576
const MAX_BYTES = 16 * 1024 * 1024
/** A file to open; what is read of it is bounded by itself. */
const BODY_COST = 5
/** Bytes of all bodies in one answer: they are in memory together. */
const budget = new AnswerBudget(64 * 1024 * 1024)

/** Throws BAD_USER_INPUT where the answer would have more of bodies than it may. */
function reserve(answer: object, bytes: number): void {
  if (budget.take(answer, bytes)) return
  const advice = 'ask for fewer tasks, for less of each (maxBytes), or get them from bodyUrl'
  throw badUserInput(`the bodies of one answer are more than ${budget.max} bytes together: ${advice}`)
}

function stageOf({ run, record }: TaskNode): StageSpec | undefined {
  return run.record.spec.stages[record.stage]
}

async function readText(
  task: TaskNode,
  maxBytes: number,
  { store, answer }: Pick<ApiContext, 'store'> & { answer: object },
) {
  const fetch = storedFetch(task.record, stageOf(task))
  if (fetch === null) return null
  reserve(answer, Math.min(maxBytes, fetch.bytes))
  const body = await store.bodyBeginning(fetch.sha256, maxBytes)
  if (body === null) return null
  return toText(body, fetch)
}

/** Bytes decoded in one turn of the event loop: some milliseconds for bytes that are no text at all. */
const TURN_BYTES = 131_072
/** Node's decoder fails at a piece of three bytes or less that makes what was cut before it no character. */
const SHORTEST_PIECE = 16

async function toText(body: Uint8Array, { bytes, contentType }: FetchDetail): Promise<string> {
  const isCut = body.length < bytes
  if (!isCut && body.length <= TURN_BYTES) return decodeText(body, contentType)
  const text = new PiecewiseText(body, contentType)
  let decoded = ''
  for (let from = 0, to = 0; from < body.length; from = to) {
    if (from > 0) await nextTurn()
    to = body.length - from < TURN_BYTES + SHORTEST_PIECE ? body.length : from + TURN_BYTES
    decoded += text.decode(body.subarray(from, to))
  }
  // A cut character is left out, and one that was never whole is told as such.
  return isCut ? decoded : decoded + text.end()
}

builder.objectFields(TaskType, (t) => ({
  body: t.string({
    nullable: true,
    complexity: BODY_COST,
    description:
      'The stored body as text, where bodyPolicy was STORE: decoded as its byte order mark or its content type says, UTF-8 if they say nothing. At most 64 MiB of bodies in one answer.',
    args: {
      maxBytes: t.arg.int({
        defaultValue: DEFAULT_BYTES,
        description: 'Only the beginning of a longer body, without the character that this would cut; 0 to 16 MiB.',
      }),
    },
    resolve: (task, args, { store }, { variableValues }) => {
      const maxBytes = args.maxBytes ?? DEFAULT_BYTES
      if (maxBytes < 0 || maxBytes > MAX_BYTES) {
        throw badUserInput(`maxBytes: ${maxBytes} is out of range: expected 0 to ${MAX_BYTES}`)
      }
      return readText(task, maxBytes, { store, answer: variableValues })
    },
  }),
  bodyUrl: t.string({
    nullable: true,
    description: 'Where the server gives the stored body as it is: a path on it. Null where none is stored.',
    resolve: (task) => storedBodyUrl(task.record, stageOf(task)),
  }),
}))
