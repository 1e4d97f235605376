/** Operations that ask for more than their token opens, for every transport: nothing of them is executed. */

import type { ExecutionArgs, GraphQLError } from 'graphql'
import type { Plugin } from 'graphql-yoga'
import { EVERY_SCOPE } from '../domain/access.js'
import type { ApiContext } from '../graphql/context.js'
import { forbiddenFields } from '../graphql/operation-scopes.js'

export function useScopes(): Plugin {
  return {
    onExecute({ args, setResultAndStopExecution }) {
      const errors = refusalsOf(args)
      if (errors.length > 0) setResultAndStopExecution({ errors })
    },
    onSubscribe({ args, setResultAndStopExecution }) {
      const errors = refusalsOf(args)
      if (errors.length > 0) setResultAndStopExecution({ errors })
    },
  }
}

function refusalsOf({ document, operationName, contextValue }: ExecutionArgs): readonly GraphQLError[] {
  const { scopes } = contextValue as ApiContext
  return scopes.size === EVERY_SCOPE.size ? [] : forbiddenFields({ document, operationName }, scopes)
}
