import { setImmediate as turn } from 'node:timers/promises'
import type { ComputeFunction, FunctionContext } from '../function.js'

const MAX_QUERY_CHARS = 10_000

/** Calls within calls: a thousand times what a query written by hand needs, and far from a lane's memory. */
const MAX_DEPTH = 10_000

/** Entries of an intermediate list. */
const MAX_SEQUENCE = 1_000_000

/** How long a query may keep the event loop to itself: nobody can abort it meanwhile. */
const TURN_MS = 10

/** How many expressions are evaluated between two looks at the clock. */
const BLOCK = 64

/** What jsonata throws: no Error. */
interface Fault {
  message?: string
  code?: string
  position?: number
}

/** A JSONata expression over a value. */
export const jsonQuery: ComputeFunction = {
  name: 'jsonQuery',
  description: [
    'What a JSONata expression (version 2, jsonata.org) selects from a value or makes of it, given as { query, value }; null where it',
    'selects nothing. Numbers are doubles: whole numbers past 2^53 are rounded as they are read. An expression that does not compile',
    'or fails says at which character (from 1). All functions of JSONata are there, of which $now, $millis, $random and $shuffle',
    'differ from call to call; none reads files or the network. query up to 10,000 characters, 1,000,000 entries in a list, 10,000',
    'calls deep. It ends when its task is aborted, but for a single regular expression or sort, which ends with its lane.',
  ].join(' '),
  inputSchema: {
    type: 'object',
    properties: {
      query: { type: 'string', minLength: 1, maxLength: MAX_QUERY_CHARS, description: 'A JSONata expression.' },
      value: { description: 'What it is about, as JSON.' },
    },
    required: ['query', 'value'],
    additionalProperties: false,
  },
  outputSchema: { description: 'Any JSON.' },
  example: {
    query: '$sum(items.(price * quantity))',
    value: {
      items: [
        { price: 2.5, quantity: 4 },
        { price: 1.25, quantity: 2 },
      ],
    },
  },
  async run(input, context) {
    const { default: jsonata } = await import('jsonata')
    const { query, value } = input as { query: string; value: unknown }
    const expression = attempt(() => jsonata(query, { stack: MAX_DEPTH, sequence: MAX_SEQUENCE }), 'does not compile')
    // What jsonata calls before it evaluates an expression, and awaits. Its typings know names alone.
    expression.assign(Symbol.for('jsonata.__evaluate_entry') as unknown as string, pacemaker(context))
    try {
      const result: unknown = await expression.evaluate(value)
      refuseFunctions(result)
      return result
    } catch (thrown) {
      throw faultOf(thrown, 'failed')
    }
  },
}

function attempt<Result>(step: () => Result, what: string): Result {
  try {
    return step()
  } catch (thrown) {
    throw faultOf(thrown, what)
  }
}

function faultOf(thrown: unknown, what: string): Error {
  if (thrown instanceof Error) return thrown
  const { message, code, position } = thrown as Fault
  const place = position === undefined ? '' : ` at character ${position}`
  return new Error(`the query ${what}${place}: ${message ?? code ?? 'JSONata does not say why'}`)
}

/** Lets the event loop turn now and then, so that the lane hears of what ends the task, and ends it. */
function pacemaker({ signal }: FunctionContext): () => Promise<void> | undefined {
  let turnEndsMs = performance.now() + TURN_MS
  let unlooked = 0
  const rest = async () => {
    await turn()
    signal.throwIfAborted()
    turnEndsMs = performance.now() + TURN_MS
  }
  return () => {
    unlooked += 1
    if (unlooked < BLOCK) return undefined
    unlooked = 0
    return performance.now() < turnEndsMs ? undefined : rest()
  }
}

/** A function of JSONata has no JSON, though some of them look as if they had. */
function refuseFunctions(result: unknown): void {
  const open = [result]
  while (open.length > 0) {
    const value = open.pop()
    if (isFunction(value)) throw new Error('the query comes to a function, which has no JSON')
    if (typeof value !== 'object' || value === null) continue
    // Arrays by their places: JSONata hangs functions of its own on them, which JSON does not show.
    for (const part of Array.isArray(value) ? value : Object.values(value)) open.push(part)
  }
}

function isFunction(value: unknown): boolean {
  if (typeof value === 'function') return true
  if (typeof value !== 'object' || value === null) return false
  const { _jsonata_function: native, _jsonata_lambda: lambda } = value as Record<string, unknown>
  return native === true || lambda === true
}
