/** What can fail a task. The catalogue is closed; docs/errors.md says what each one means. */

export const TaskErrorCode = {
  TIMEOUT: 'TIMEOUT',
  CONNECTION_REFUSED: 'CONNECTION_REFUSED',
  CONNECTION_RESET: 'CONNECTION_RESET',
  DNS: 'DNS',
  TLS: 'TLS',
  HTTP_STATUS: 'HTTP_STATUS',
  BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  BODY_TRUNCATED: 'BODY_TRUNCATED',
  DECODING: 'DECODING',
  BODY_NOT_STORED: 'BODY_NOT_STORED',
  TOO_MANY_REDIRECTS: 'TOO_MANY_REDIRECTS',
  DESTINATION_FORBIDDEN: 'DESTINATION_FORBIDDEN',
  INVALID_INPUT: 'INVALID_INPUT',
  FUNCTION_ERROR: 'FUNCTION_ERROR',
  OUTPUT_TOO_LARGE: 'OUTPUT_TOO_LARGE',
  OUT_OF_MEMORY: 'OUT_OF_MEMORY',
  LANE_DIED: 'LANE_DIED',
} as const
export type TaskErrorCode = (typeof TaskErrorCode)[keyof typeof TaskErrorCode]

/** A task's error is data: it is stored and sent, never thrown across a layer. */
export interface TaskError {
  code: TaskErrorCode
  message: string
  /** Whether this failure is of the kind that can go away by itself. */
  retryable: boolean
}

/** Wraps what fetching and functions throw on the way to becoming a TaskError. */
export class TaskFailure extends Error {
  override readonly name = 'TaskFailure'
  constructor(
    readonly code: TaskErrorCode,
    message: string,
    /** For FUNCTION_ERROR: the thrown error said so. For HTTP_STATUS: the status is one of those tried again. For BODY_NOT_STORED: the disk is full. */
    readonly retryable: boolean = RETRYABLE.has(code),
    /** From a Retry-After header, milliseconds from now. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message)
  }
}

const RETRYABLE: ReadonlySet<TaskErrorCode> = new Set([
  'TIMEOUT',
  'CONNECTION_REFUSED',
  'CONNECTION_RESET',
  'DNS',
  'BODY_TRUNCATED',
  'LANE_DIED',
])

const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504])

/** Whether an HTTP_STATUS failure with this status is tried again. */
export function isRetryableStatus(status: number): boolean {
  return RETRYABLE_STATUSES.has(status)
}

/** Whether a failure of this code is tried again where the code alone decides. */
export function isRetryableCode(code: TaskErrorCode): boolean {
  return RETRYABLE.has(code)
}
