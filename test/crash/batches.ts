/** What is launched between crashes: batches of each kind, with what must come of each item. */

import type { ApiClient, Launched, Variables } from '../support/api.js'
import { jsonDocument } from '../support/origin-routes.js'
import { fileOf, launchComputeFile, launchFetchFile } from '../support/uploads.js'
import type { Random } from './random.js'

export interface Outcome {
  status: 'SUCCEEDED' | 'FAILED'
  output: unknown
}

export interface Batch {
  kind: string
  /** The same each time that it is called: with the idempotency key it launches one run. */
  launch(api: ApiClient): Promise<Launched>
  items: number
  stages: number
  status: 'SUCCEEDED' | 'PARTIAL'
  /** Of one task; null where the item does not get so far. */
  outcome(stage: number, index: number): Outcome | null
  /** Of fetches: what the URLs of the run, and of no other, have in them; how many there are, and how often each is asked for without a crash. */
  requests: { tag: string; urls: number; each: number } | null
}

export interface Surroundings {
  random: Random
  /** Of the origin. */
  url: string
  /** No other batch has this number. */
  number: number
}

const STRATEGIES = ['SEQUENTIAL', 'ASYNC', 'THREADS', 'PROCESSES', 'AUTO'] as const
/** Between the start of a request and its answer. */
const ANSWER_MS = 40
const IN_FLIGHT = 8
/** Of the requests for a URL at the route /flaky. */
const FAILS = 1

function succeeded(output: unknown): Outcome {
  return { status: 'SUCCEEDED', output }
}

function optionsOf({ random, number }: Surroundings, more: Variables = {}): Variables {
  return { strategy: random.pick(STRATEGIES), idempotencyKey: `crash-${number}`, ...more }
}

function plain(batch: Omit<Batch, 'stages' | 'status' | 'requests'> & Partial<Batch>): Batch {
  return { stages: 1, status: 'SUCCEEDED', requests: null, ...batch }
}

function computeRange(around: Surroundings): Batch {
  const { random } = around
  const [from, items] = [random.whole(0, 1_000), random.whole(300, 2_000)]
  const input = {
    function: 'triple',
    source: { range: { from, to: from + items } },
    reduce: 'SUM',
    options: optionsOf(around),
  }
  const launch = (api: ApiClient) => api.launchCompute(input)
  return plain({ kind: 'compute, range', launch, items, outcome: (_stage, index) => succeeded(3 * (from + index)) })
}

function computeList(around: Surroundings): Batch {
  const items = around.random.whole(150, 800)
  const inputs = Array.from({ length: items }, (_, index) => index * 2)
  const input = { function: 'fussy', source: { inputs }, options: optionsOf(around, { retry: { maxAttempts: 1 } }) }
  const outcome = (_stage: number, index: number): Outcome =>
    (index * 2) % 7 === 3 ? { status: 'FAILED', output: null } : succeeded(index * 2)
  return plain({ kind: 'compute, list', launch: (api) => api.launchCompute(input), items, outcome, status: 'PARTIAL' })
}

function computeFile(around: Surroundings): Batch {
  const items = around.random.whole(150, 800)
  const file = fileOf(Array.from({ length: items }, (_, index) => index + 7))
  const options = optionsOf(around)
  const launch = (api: ApiClient) => launchComputeFile(api.url, file, { function: 'wait', options })
  return plain({ kind: 'compute, file', launch, items, outcome: (_stage, index) => succeeded(index + 7) })
}

function tagOf({ number }: Surroundings): string {
  return `of=${number}.`
}

function document(around: Surroundings, i: number | string): string {
  return `${around.url}/json?ms=${ANSWER_MS}&${tagOf(around)}&i=${i}`
}

function fetchTemplate(around: Surroundings): Batch {
  const items = around.random.whole(50, 150)
  const input = {
    source: { template: { template: document(around, '{i}'), from: 0, to: items - 1 } },
    fetch: { bodyPolicy: 'JSON' },
    options: optionsOf(around, { concurrency: IN_FLIGHT }),
  }
  return plain({
    kind: 'fetch, template',
    launch: (api) => api.launchFetch(input),
    items,
    outcome: (_stage, index) => succeeded(JSON.parse(jsonDocument(index))),
    requests: { tag: tagOf(around), urls: items, each: 1 },
  })
}

/** Bodies are stored, and few go to the host at a time. */
function fetchFile(around: Surroundings): Batch {
  const items = around.random.whole(50, 200)
  const lines = Array.from({ length: items }, (_, index) => document(around, index)).join('\n')
  const file = fileOf(lines, 'urls.txt')
  const fetch = { bodyPolicy: 'STORE', perHostConcurrency: 4, perHostRate: 200 }
  const options = optionsOf(around, { concurrency: IN_FLIGHT })
  return plain({
    kind: 'fetch, file, stored, limits per host',
    launch: (api) => launchFetchFile(api.url, file, { fetch, options }),
    items,
    outcome: () => succeeded(null),
    requests: { tag: tagOf(around), urls: items, each: 1 },
  })
}

/** Each URL three times, far from each other. */
function fetchDedupe(around: Surroundings): Batch {
  const different = around.random.whole(30, 120)
  const items = 3 * different
  const urls = Array.from({ length: items }, (_, index) => document(around, index % different))
  const input = {
    source: { urls },
    fetch: { bodyPolicy: 'JSON', dedupe: true },
    options: optionsOf(around, { concurrency: IN_FLIGHT }),
  }
  return plain({
    kind: 'fetch, list, dedupe',
    launch: (api) => api.launchFetch(input),
    items,
    outcome: (_stage, index) => succeeded(JSON.parse(jsonDocument(index % different))),
    requests: { tag: tagOf(around), urls: different, each: 1 },
  })
}

/** Each URL fails once. */
function fetchRetries(around: Surroundings): Batch {
  const items = around.random.whole(30, 120)
  const requests = Array.from({ length: items }, (_, index) => ({
    url: `${around.url}/flaky?fails=${FAILS}&${tagOf(around)}&i=${index}`,
    method: index % 2 === 0 ? 'GET' : 'PUT',
  }))
  const options = optionsOf(around, { concurrency: IN_FLIGHT, retry: { maxAttempts: 4, backoffMs: 100 } })
  const input = { source: { requests }, fetch: { bodyPolicy: 'DISCARD' }, options }
  return plain({
    kind: 'fetch, requests, retries',
    launch: (api) => api.launchFetch(input),
    items,
    outcome: () => succeeded(null),
    requests: { tag: tagOf(around), urls: items, each: FAILS + 1 },
  })
}

function pipeline(around: Surroundings): Batch {
  const items = around.random.whole(50, 150)
  const input = {
    source: { template: { template: document(around, '{i}'), from: 0, to: items - 1 } },
    stages: [
      { fetch: { fetch: { bodyPolicy: 'JSON' }, concurrency: IN_FLIGHT } },
      { compute: { function: 'price' } },
      { compute: { function: 'wait', strategy: around.random.pick(['ASYNC', 'PROCESSES'] as const) } },
    ],
    options: optionsOf(around),
  }
  const outcome = (stage: number, index: number) => {
    const document = JSON.parse(jsonDocument(index)) as { price: number }
    return succeeded(stage === 0 ? document : document.price)
  }
  return plain({
    kind: 'pipeline',
    launch: (api) => api.launchPipeline(input),
    items,
    stages: 3,
    outcome,
    requests: { tag: tagOf(around), urls: items, each: 1 },
  })
}

/** One of each kind, in turns. */
const KINDS = [
  computeRange,
  fetchTemplate,
  pipeline,
  computeList,
  fetchDedupe,
  computeFile,
  fetchRetries,
  fetchFile,
] as const

export function batchOf(around: Surroundings): Batch {
  const kind = KINDS[around.number % KINDS.length]
  if (kind === undefined) throw new Error('there is no such kind')
  return kind(around)
}
