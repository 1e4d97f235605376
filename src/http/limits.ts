/** The limits of documents, for every transport: nothing of what exceeds them is executed. */

import type { DocumentNode, ExecutionArgs, ExecutionResult, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { documentExcess, MAX_TOKENS } from '../graphql/document-limits.js'
import { apiError, costLimit } from '../graphql/errors.js'
import { type OperationCost, operationCost } from '../graphql/operation-cost.js'

/** Tokens while it is read, where it may overflow the stack as well; depth, aliases and directives before it is validated. */
export function useDocumentLimits(): Plugin {
  return {
    onParse({ parseFn, setParseFn }) {
      setParseFn((source, options) => withinLimits(() => parseFn(source, { ...options, maxTokens: MAX_TOKENS })))
    },
    onValidate({ validateFn, setValidationFn }) {
      setValidationFn((schema, document, ...rest) => {
        const excess = documentExcess(document as DocumentNode)
        return excess ? [excess] : told(withinLimits(() => validateFn(schema, document, ...rest)))
      })
    },
  }
}

/** Of GraphQL.js itself: fields side by side are compared with each other, and that grows with the square of their number. */
const TOO_MANY_FIELDS = 'Validation aborted.'

/** The parser's only error that is about their number. */
const TOO_MANY_TOKENS = /contains more tha[nt] \d+ tokens/

function told(errors: readonly GraphQLError[]): readonly GraphQLError[] {
  const aborted = errors.some(({ message }) => message === TOO_MANY_FIELDS)
  return aborted
    ? [apiError('COST_LIMIT', 'The document has too many fields side by side to compare them', 400)]
    : errors
}

function withinLimits<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) throw apiError('COST_LIMIT', 'The document is nested too deeply to be read', 400)
    if (!(error instanceof Error) || !TOO_MANY_TOKENS.test(error.message)) throw error
    throw costLimit('The document has too many tokens', null, MAX_TOKENS)
  }
}

/** What an operation costs is known before it is executed, and told with what comes of it: of a stream with its first event. */
export function useCostLimit(): Plugin {
  return {
    onExecute({ args, executeFn, setExecuteFn, setResultAndStopExecution }) {
      const cost = costOf(args)
      if (isRefusal(cost)) setResultAndStopExecution({ errors: cost })
      else if (cost !== null) setExecuteFn(async (given) => withCost((await executeFn(given)) as ExecutionResult, cost))
    },
    onSubscribe({ args, subscribeFn, setSubscribeFn, setResultAndStopExecution }) {
      const cost = costOf(args)
      if (isRefusal(cost)) setResultAndStopExecution({ errors: cost })
      else if (cost !== null) setSubscribeFn(async (given) => tellingFirst(await subscribeFn(given), cost))
    },
  }
}

type Cost = ReturnType<typeof operationCost>

function costOf({ document, operationName, variableValues }: ExecutionArgs): Cost {
  return operationCost({ document, operationName, variables: variableValues ?? {} })
}

function isRefusal(cost: Cost): cost is readonly GraphQLError[] {
  return Array.isArray(cost)
}

function withCost(result: ExecutionResult, cost: OperationCost): ExecutionResult {
  return { ...result, extensions: { ...result.extensions, cost } }
}

/** The others go through untouched: a stream may have a million of them. */
function tellingFirst(
  events: ExecutionResult | AsyncIterableIterator<ExecutionResult>,
  cost: OperationCost,
): ExecutionResult | AsyncIterableIterator<ExecutionResult> {
  if (!(Symbol.asyncIterator in events)) return events
  const next = events.next
  events.next = async () => {
    events.next = next
    const { done, value } = await next.call(events)
    return done ? { done, value } : { done: false, value: withCost(value, cost) }
  }
  return events
}
