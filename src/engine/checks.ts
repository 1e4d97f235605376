/** Checks that every launch shares: each adds its problems at the place of the value and answers with the checked value. */

import type { AskedStrategy, FetchOptions, FetchRequest, Header, Label, RetryPolicy } from '../domain/batch.js'
import { BUDGET_LIMITS, type Budget } from '../domain/budget.js'
import type { Path, Problems } from '../domain/problems.js'
import { checkHeaders, checkRequest, checkUrl, type RequestInput, shown } from '../domain/requests.js'
import type { Strategy } from '../domain/strategy.js'
import type { FunctionCatalog } from '../functions/function.js'
import type { FetchOptionsInput, LaunchOptionsInput } from './engine.js'
import { MAX_BACKOFF_MS, MAX_HOST_RATE, MAX_INT, MAX_LABELS, MAX_NAME_LENGTH, MAX_TIMEOUT_MS } from './limits.js'

/** Characters are code points here: an emoji is one or some, whatever it takes in UTF-16. */
function isLonger(text: string, maxLength: number): boolean {
  return text.length > maxLength && (text.length > 2 * maxLength || [...text].length > maxLength)
}

export class Checker {
  constructor(readonly problems: Problems) {}

  invalid(path: Path, value: unknown, expected: string): void {
    this.problems.add('INVALID', path, `${shown(value)} is not ${expected}`)
  }

  whole(value: number | null | undefined, path: Path, [min, max]: readonly [number, number]): number | null {
    if (value === null || value === undefined) return null
    if (!Number.isInteger(value) || value < min || value > max) {
      this.invalid(path, value, `a whole number from ${min} to ${max}`)
    }
    return value
  }

  text(value: string | null | undefined, path: Path, maxLength: number = MAX_NAME_LENGTH): string | null {
    if (value === null || value === undefined) return null
    if (value === '' || isLonger(value, maxLength)) this.invalid(path, value, `a text of 1 to ${maxLength} characters`)
    return value
  }

  /** A key of blanks is one that somebody forgot to fill in: everyone's launches would be one. */
  key(value: string | null | undefined, path: Path): string | null {
    const key = this.text(value, path)
    if (key !== null && key !== '' && key.trim() === '') this.invalid(path, value, 'a text of more than blanks')
    return key
  }

  url(value: string, path: Path): void {
    checkUrl(this.problems, value, path)
  }

  headers(headers: readonly Header[] | null | undefined, path: Path): Header[] {
    return checkHeaders(this.problems, headers, path)
  }

  labels(labels: readonly Label[] | null | undefined, path: Path): Label[] {
    if (!labels) return []
    if (labels.length > MAX_LABELS)
      this.problems.add('INVALID', path, `${labels.length} labels are more than ${MAX_LABELS}`)
    const seen = new Set<string>()
    labels.forEach(({ name, value }, at) => {
      this.text(name, [...path, at, 'name'])
      if (isLonger(value, MAX_NAME_LENGTH))
        this.invalid([...path, at, 'value'], value, `at most ${MAX_NAME_LENGTH} characters`)
      if (seen.has(name)) this.problems.add('INVALID', [...path, at, 'name'], `the label ${shown(name)} is there twice`)
      seen.add(name)
    })
    return labels.map(({ name, value }) => ({ name, value }))
  }

  retry(retry: LaunchOptionsInput['retry'], path: Path): RetryPolicy {
    return {
      maxAttempts: this.whole(retry?.maxAttempts, [...path, 'maxAttempts'], [1, 100]) ?? 3,
      backoffMs: this.whole(retry?.backoffMs, [...path, 'backoffMs'], [0, MAX_BACKOFF_MS]) ?? 200,
      maxBackoffMs: this.whole(retry?.maxBackoffMs, [...path, 'maxBackoffMs'], [0, MAX_BACKOFF_MS]) ?? 10_000,
      unsafe: retry?.unsafe ?? false,
    }
  }

  timeoutMs(value: number | null | undefined, path: Path): number | null {
    return this.whole(value, path, [1, MAX_TIMEOUT_MS])
  }

  budget(budget: LaunchOptionsInput['budget'], path: Path): Budget | null {
    if (!budget) return null
    const checked: Budget = {
      wallMs: this.#limitMs(budget.wallMs, [...path, 'wallMs']),
      serviceP95Ms: this.#limitMs(budget.serviceP95Ms, [...path, 'serviceP95Ms']),
      failureRate: this.#number(budget.failureRate, [...path, 'failureRate'], {
        isRight: (rate) => rate >= 0 && rate <= 1,
        expected: 'a number from 0 to 1',
      }),
    }
    const isEmpty = BUDGET_LIMITS.every((name) => checked[name] === null)
    if (isEmpty) this.invalid(path, budget, `a budget with at least one of ${BUDGET_LIMITS.join(', ')}`)
    return checked
  }

  #limitMs(value: number | null | undefined, path: Path): number | null {
    return this.#number(value, path, {
      isRight: (ms) => ms > 0 && Number.isFinite(ms),
      expected: 'a number of milliseconds, more than 0',
    })
  }

  fetchOptions(fetch: FetchOptionsInput | null | undefined, path: Path): FetchOptions {
    fetch?.okStatuses?.forEach((status, at) => {
      this.whole(status, [...path, 'okStatuses', at], [100, 599])
    })
    if (fetch?.okStatuses?.length === 0) this.invalid([...path, 'okStatuses'], [], 'a list of at least one status')
    return {
      bodyPolicy: fetch?.bodyPolicy ?? 'DISCARD',
      maxBytes: this.whole(fetch?.maxBytes, [...path, 'maxBytes'], [1, MAX_INT]) ?? 10_485_760,
      maxRedirects: this.whole(fetch?.maxRedirects, [...path, 'maxRedirects'], [0, 100]) ?? 5,
      headers: this.headers(fetch?.headers, [...path, 'headers']),
      okStatuses: fetch?.okStatuses ?? null,
      perHostConcurrency: this.whole(fetch?.perHostConcurrency, [...path, 'perHostConcurrency'], [1, MAX_INT]),
      perHostRate: this.#hostRate(fetch?.perHostRate, [...path, 'perHostRate']),
      dedupe: fetch?.dedupe ?? false,
    }
  }

  /** Null where it is not said, or cannot be had. */
  strategy(value: Strategy | null | undefined, path: Path): AskedStrategy | null {
    if (value !== 'CLUSTER') return value ?? null
    this.problems.add('CLUSTER_UNAVAILABLE', path, 'no worker host is connected')
    return null
  }

  concurrency(value: number | null | undefined, path: Path): number | null {
    return this.whole(value, path, [1, MAX_INT])
  }

  /** Null where there is no function of this name. */
  functionName(name: string, functions: Pick<FunctionCatalog, 'has' | 'list'>, path: Path): string | null {
    if (functions.has(name)) return name
    const names = functions.list().map((known) => known.name)
    this.problems.add('UNKNOWN_FUNCTION', path, `there is no function ${shown(name)}; there are ${names.join(', ')}`)
    return null
  }

  #hostRate(value: number | null | undefined, path: Path): number | null {
    return this.#number(value, path, {
      isRight: (rate) => rate > 0 && rate <= MAX_HOST_RATE,
      expected: `a number of requests a second, more than 0 and at most ${MAX_HOST_RATE}`,
    })
  }

  #number(
    value: number | null | undefined,
    path: Path,
    { isRight, expected }: { isRight(value: number): boolean; expected: string },
  ): number | null {
    if (value === null || value === undefined) return null
    if (!isRight(value)) this.invalid(path, value, expected)
    return value
  }

  request(request: RequestInput, path: Path): FetchRequest {
    return checkRequest(this.problems, request, path)
  }
}
