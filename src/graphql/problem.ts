/** What the caller can mend. */

import type { UserError } from '../domain/problems.js'
import { builder } from './builder.js'

const UserErrorCodeType = builder.enumType('UserErrorCode', {
  description: 'What kind of problem it is; clients may rely on it.',
  values: {
    INVALID: { description: 'A value is out of its bounds, or of the wrong form.' },
    UNKNOWN_FUNCTION: { description: 'No function of this name is registered: see Query.functions.' },
    UNSUPPORTED_SCHEME: { description: 'A URL is neither http nor https.' },
    TOO_MANY_ITEMS: { description: 'The source has more items than the server takes.' },
    NOT_FOUND: { description: 'What the input names is not there.' },
    INVALID_STATE: { description: 'The run is in a state that does not allow it.' },
    IDEMPOTENCY_CONFLICT: { description: 'The idempotency key was used before, with another input.' },
    QUEUE_FULL: { description: 'The server has as much work as it takes; try again later.' },
    CLUSTER_UNAVAILABLE: { description: 'No worker host is connected.' },
    EMPTY_FILTER: { description: 'A filter that finds everything is refused here.' },
  } as const,
})

export const UserErrorType = builder.objectRef<UserError>('UserError').implement({
  description: 'What the caller can mend. Every problem of an input is listed at once.',
  fields: (t) => ({
    code: t.expose('code', { type: UserErrorCodeType, description: 'What kind of problem it is.' }),
    message: t.exposeString('message', { description: 'What is wrong and what was expected, for a person to read.' }),
    field: t.exposeStringList('field', {
      nullable: true,
      description: 'The way to the value: ["input", "source", "urls", "17"]; null where it is about no single value.',
    }),
    retryAfterMs: t.exposeInt('retryAfterMs', {
      nullable: true,
      description: 'With QUEUE_FULL: when to try again, in milliseconds from now.',
    }),
  }),
})

/** An id, in the argument of that name, that names none. */
export function nothingOf(what: 'run' | 'comparison', id: string): UserError {
  const message = `there is no ${what} with the id ${JSON.stringify(id.slice(0, 100))}`
  return { code: 'NOT_FOUND', message, field: ['id'], retryAfterMs: null }
}
