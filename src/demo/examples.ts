/** The examples: what is launched, under which strategies, and how its outputs are known to be right. */

import { createHash } from 'node:crypto'
import type { Launch, RunResult } from './api.js'
import { DOCUMENTS, download } from './documents.js'
import { type Check, STRATEGIES, type Strategy, type Work } from './figures.js'
import { grouped } from './units.js'

export interface Example {
  title: string
  /** In a sentence. */
  about: string
  work: Work
  strategies: readonly Strategy[]
  /** Whether what ran when is shown. */
  isPictured: boolean
  launch(strategy: Strategy): Launch
  /** The same in small, run before and not measured: the first run of a function pays for its compilation. */
  warmUp?(strategy: Strategy): Launch
  check(result: RunResult): Check
}

/** Three files whose bodies take two seconds each: the first program of every chapter on concurrency. */
export function downloads(origin: string): Example {
  const files = [1, 2, 3]
  const expected = files.map((file) => createHash('sha256').update(download(file)).digest('hex'))
  return {
    title: 'Three downloads',
    about: 'Three files that take 2 s each, one after the other and then together.',
    work: 'WAITING',
    strategies: ['SEQUENTIAL', 'ASYNC'],
    isPictured: false,
    launch: (strategy) => ({
      kind: 'fetch',
      input: {
        source: { template: { template: `${origin}/download/{i}`, from: 1, to: files.length } },
        options: { name: 'demo: downloads', strategy },
      },
    }),
    check: (result) =>
      compared(result, expected, {
        found: (at) => result.tasks.nodes[at]?.fetch?.sha256,
        right: `${files.length} files, ${grouped(bytesOf(result))} bytes, each with the SHA-256 of what was sent`,
      }),
  }
}

const REQUESTS = 5
const ONE_SECOND_MS = 1_000

/** The chapter's benchmark of waiting: five requests that take a second each. */
export function waiting(origin: string): Example {
  const url = `${origin}/wiki/heddle?delayMs=${ONE_SECOND_MS}`
  const expected = Array.from({ length: REQUESTS }, () => 200)
  return {
    title: 'Five requests of a second',
    about: `The chapter's benchmark of waiting: ${REQUESTS} requests that take 1 s each, under every strategy.`,
    work: 'WAITING',
    strategies: STRATEGIES,
    isPictured: true,
    launch: (strategy) => ({
      kind: 'fetch',
      input: { source: { urls: expected.map(() => url) }, options: { name: 'demo: waiting', strategy } },
    }),
    check: (result) =>
      compared(result, expected, {
        found: (at) => result.tasks.nodes[at]?.fetch?.status,
        right: `${REQUESTS} answers of the origin, ${grouped(bytesOf(result))} bytes`,
      }),
  }
}

const AT_ONCE = 10
const PAGE_DELAY_MS = 100

/** Every page that the index links to, ten at a time. */
export function scraping(origin: string, paths: readonly string[]): Example {
  const expected = paths.map((path) => DOCUMENTS.get(path)?.body.toString())
  return {
    title: 'Scraping pages',
    about: `${paths.length} pages of HTML and JSON that take ${PAGE_DELAY_MS} ms each, ${AT_ONCE} at a time.`,
    work: 'WAITING',
    strategies: STRATEGIES,
    isPictured: false,
    launch: (strategy) => ({
      kind: 'fetch',
      input: {
        source: { urls: paths.map((path) => `${origin}${path}?delayMs=${PAGE_DELAY_MS}`) },
        fetch: { bodyPolicy: 'TEXT' },
        options: { name: 'demo: scraping', strategy, ...(strategy === 'SEQUENTIAL' ? {} : { concurrency: AT_ONCE }) },
      },
    }),
    check: (result) =>
      compared(result, expected, {
        found: (at) => result.tasks.nodes[at]?.output,
        right: `${paths.length} pages, ${grouped(bytesOf(result))} bytes of text, each as it was published`,
      }),
  }
}

/** What `scraping` begins with: the page that links to all others. */
export function index(origin: string): Launch {
  return {
    kind: 'fetch',
    input: { source: { urls: [`${origin}/`] }, fetch: { bodyPolicy: 'TEXT' }, options: { name: 'demo: index' } },
  }
}

/** The paths that a page of the origin links to, each once. */
export function linksOf(page: unknown): string[] {
  const links = String(page).matchAll(/<li><a href="(\/[^"]+)">/g)
  return [...new Set(Array.from(links, (link) => link[1] ?? ''))]
}

/** The chapter's sums: past 2^53, so that a loop in doubles would be wrong. */
export function sums(): Example {
  const inputs = [10_000_000, 20_000_000, 30_000_000]
  const expected = inputs.map((n) => String(sumOfSquaresBelow(BigInt(n))))
  return {
    title: 'Number crunching',
    about: 'The sums of the squares below 10, 20 and 30 million.',
    work: 'COMPUTING',
    strategies: STRATEGIES,
    isPictured: false,
    launch: (strategy) => compute('sumOfSquares', inputs, { name: 'demo: sums', strategy }),
    warmUp: (strategy) =>
      compute(
        'sumOfSquares',
        inputs.map(() => 1_000_000),
        { name: 'demo: warm-up', strategy },
      ),
    check: (result) =>
      compared(result, expected, {
        found: (at) => String(result.tasks.nodes[at]?.output),
        right: `the sums are exact: ${expected.join(', ')}`,
      }),
  }
}

/** The chapter's benchmark of computing, long enough for the lanes to tell. The count of primes below a hundred million is in every table of them. */
export function primes(): Example {
  const inputs = Array.from({ length: 12 }, () => 100_000_000)
  return {
    title: 'More number crunching',
    about: `The chapter's benchmark of computing, with work that is big enough to matter: counting the primes below a hundred million, ${inputs.length} times over.`,
    work: 'COMPUTING',
    strategies: STRATEGIES,
    isPictured: true,
    launch: (strategy) => compute('countPrimes', inputs, { name: 'demo: primes', strategy }),
    warmUp: (strategy) =>
      compute(
        'countPrimes',
        inputs.map(() => 1_000_000),
        { name: 'demo: warm-up', strategy },
      ),
    check: (result) =>
      compared(
        result,
        inputs.map(() => 5_761_455),
        {
          found: (at) => result.tasks.nodes[at]?.output,
          right: `${grouped(5_761_455)} primes, each time`,
        },
      ),
  }
}

export function compute(name: string, inputs: readonly unknown[], options: Readonly<Record<string, unknown>>): Launch {
  return { kind: 'compute', input: { function: name, source: { inputs }, options } }
}

/** The sum of i² for 0 <= i < n. */
export function sumOfSquaresBelow(n: bigint): bigint {
  return ((n - 1n) * n * (2n * n - 1n)) / 6n
}

function bytesOf(result: RunResult): number {
  return result.tasks.nodes.reduce((sum, task) => sum + (task.fetch?.bytes ?? 0), 0)
}

interface Comparison {
  /** What the task at this place gave. */
  found: (at: number) => unknown
  /** What to say where all is right. */
  right: string
}

export function compared(result: RunResult, expected: readonly unknown[], { found, right }: Comparison): Check {
  const [error] = result.errors
  if (error) return { ok: false, message: `${error.count} tasks failed: ${error.code}, ${error.message}` }
  if (result.tasks.nodes.length !== expected.length) {
    return { ok: false, message: `${result.tasks.nodes.length} tasks ended of ${expected.length}` }
  }
  const wrong = expected.findIndex((value, at) => found(at) !== value)
  if (wrong === -1) return { ok: true, message: right }
  return { ok: false, message: `item ${wrong} gave ${brief(found(wrong))}, expected ${brief(expected[wrong])}` }
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
