/** What the caller can mend, gathered so that every problem of an input is told at once. */

export const UserErrorCode = {
  INVALID: 'INVALID',
  UNKNOWN_FUNCTION: 'UNKNOWN_FUNCTION',
  UNSUPPORTED_SCHEME: 'UNSUPPORTED_SCHEME',
  TOO_MANY_ITEMS: 'TOO_MANY_ITEMS',
  NOT_FOUND: 'NOT_FOUND',
  INVALID_STATE: 'INVALID_STATE',
  IDEMPOTENCY_CONFLICT: 'IDEMPOTENCY_CONFLICT',
  QUEUE_FULL: 'QUEUE_FULL',
  CLUSTER_UNAVAILABLE: 'CLUSTER_UNAVAILABLE',
  EMPTY_FILTER: 'EMPTY_FILTER',
} as const
export type UserErrorCode = (typeof UserErrorCode)[keyof typeof UserErrorCode]

export interface UserError {
  code: UserErrorCode
  message: string
  /** The way to the value: ["input", "source", "urls", "17"]. */
  field: string[] | null
  /** With QUEUE_FULL: when to try again. */
  retryAfterMs: number | null
}

export type Path = readonly (string | number)[]

/** At most this many problems are named. */
const MAX_NAMED = 100

/** Gathers problems; keeps the first hundred, and counts the rest. */
export class Problems {
  readonly #named: UserError[] = []
  #count = 0

  add(code: UserErrorCode, path: Path | null, message: string, retryAfterMs: number | null = null): void {
    this.#count += 1
    if (this.#named.length < MAX_NAMED)
      this.#named.push({ code, message, field: path === null ? null : path.map(String), retryAfterMs })
  }

  get count(): number {
    return this.#count
  }

  /** There are so many more, of which nothing is kept but that. */
  addUnnamed(count: number): void {
    this.#count += count
  }

  /** What to answer: where there are more than a hundred, the last one says how many are not named. */
  list(): UserError[] {
    if (this.#count === this.#named.length) return [...this.#named]
    const named = this.#named.slice(0, MAX_NAMED - 1)
    const last: UserError = {
      code: 'INVALID',
      message: `and ${this.#count - named.length} more problems`,
      field: null,
      retryAfterMs: null,
    }
    return [...named, last]
  }
}
