/** Fetches with everything filled in that a test does not care about. */

import type { FetchOptions, FetchRequest } from '../../../src/domain/batch.js'
import type { Fetcher, FetchOutcome, FetchSettings } from '../../../src/fetching/fetcher.js'

export interface Wish extends Partial<FetchRequest> {
  options?: Partial<FetchOptions>
  timeoutMs?: number
  maxOutputBytes?: number
  fileStem?: string
  signal?: AbortSignal
}

const OPTIONS: FetchOptions = {
  bodyPolicy: 'DISCARD',
  maxBytes: 10_485_760,
  maxRedirects: 5,
  headers: [],
  okStatuses: null,
}

export function get(fetcher: Fetcher, url: string, wish: Wish = {}): Promise<FetchOutcome> {
  const { options, timeoutMs, maxOutputBytes, fileStem, signal, ...request } = wish
  const settings: FetchSettings = {
    options: { ...OPTIONS, ...options },
    // A test that hangs says so by TIMEOUT, and not only by its name.
    timeoutMs: timeoutMs ?? 20_000,
    maxOutputBytes: maxOutputBytes ?? 1_048_576,
    fileStem: fileStem ?? null,
  }
  const whole: FetchRequest = { url, method: 'GET', headers: [], body: null, ...request }
  return fetcher.fetch(whole, settings, signal ?? new AbortController().signal)
}

/** What /echo says that it was asked. */
export interface Echo {
  method: string
  url: string
  headers: Record<string, string>
  rawHeaders: string[]
  body: string
}

export async function echo(fetcher: Fetcher, url: string, wish: Wish = {}): Promise<Echo> {
  const outcome = await get(fetcher, url, { ...wish, options: { bodyPolicy: 'JSON', ...wish.options } })
  if (outcome.error) throw new Error(`${outcome.error.code}: ${outcome.error.message}`)
  return JSON.parse(outcome.output ?? '') as Echo
}
