/** The demonstration as a client: GraphQL over HTTP, and the progress of a run over a WebSocket. */

import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import type { LaneTimeline } from './lanes-picture.js'

/** One mutation of the API with its input. */
export type Launch =
  | { kind: 'fetch'; input: Readonly<Record<string, unknown>> }
  | { kind: 'compute'; input: Readonly<Record<string, unknown>> }
  | { kind: 'pipeline'; input: Readonly<Record<string, unknown>> }

export interface RunProgress {
  status: string
  progress: { total: number; done: number; running: number; throughput: number }
}

export interface TaskResult {
  stage: number
  index: number
  status: string
  output: unknown
  fetch: { status: number | null; bytes: number; sha256: string | null } | null
}

/** What held a run back. */
export interface Diagnosis {
  code: string
  severity: string
  message: string
}

export interface StageResult {
  name: string
  effectiveStrategy: string | null
  lanes: number | null
  concurrency: number | null
  timings: { wallMs: number; serviceTotalMs: number } | null
}

export interface RunResult {
  status: string
  lanes: number | null
  concurrency: number | null
  timings: { wallMs: number; serviceTotalMs: number; cpuMs: number; meanConcurrency: number } | null
  stages: StageResult[]
  diagnostics: Diagnosis[]
  timeline: LaneTimeline[]
  errors: { code: string; message: string; count: number }[]
  tasks: { nodes: TaskResult[] }
}

const LAUNCH = {
  fetch: `mutation LaunchFetch($input: LaunchFetchBatchInput!) {
    launch: launchFetchBatch(input: $input) { run { id } userErrors { code message field } }
  }`,
  compute: `mutation LaunchCompute($input: LaunchComputeBatchInput!) {
    launch: launchComputeBatch(input: $input) { run { id } userErrors { code message field } }
  }`,
  pipeline: `mutation LaunchPipeline($input: LaunchPipelineInput!) {
    launch: launchPipeline(input: $input) { run { id } userErrors { code message field } }
  }`,
}

const WATCH = `subscription Watch($id: ID!) {
  runUpdated(id: $id) { status progress { total done running throughput } }
}`

/** The examples have fewer tasks than one page holds. */
const READ = `query Read($id: ID!) {
  run(id: $id) {
    status lanes concurrency
    timings { wallMs serviceTotalMs cpuMs meanConcurrency }
    stages { name effectiveStrategy lanes concurrency timings { wallMs serviceTotalMs } }
    diagnostics { code severity message }
    timeline(maxSpans: 500) { lane busyFraction spans { startMs endMs status tasks } }
    errors { code message count }
    tasks(first: 1000) { nodes { stage index status output fetch { status bytes sha256 } } }
  }
}`

interface Launched {
  launch: {
    run: { id: string } | null
    userErrors: { code: string; message: string; field: string[] | null }[]
  }
}

/** A session with one server. Every method rejects when the signal aborts. */
export class Api {
  readonly #endpoint: URL
  readonly #client: Client

  constructor(
    baseUrl: string,
    private readonly signal: AbortSignal,
  ) {
    this.#endpoint = new URL('/graphql', baseUrl)
    const url = new URL(this.#endpoint)
    url.protocol = 'ws:'
    this.#client = createClient({ url: url.href, webSocketImpl: WebSocket, retryAttempts: 0 })
  }

  /** The id of the new run. */
  async launch({ kind, input }: Launch): Promise<string> {
    const { launch } = await this.#post<Launched>(LAUNCH[kind], { input })
    if (launch.run) return launch.run.id
    const problems = launch.userErrors.map(
      ({ code, message, field }) => `${field?.join('.') ?? ''} ${message} (${code})`,
    )
    throw new Error(`the launch was refused: ${problems.join('; ')}`)
  }

  /** Tells each state of the run as it comes; resolves when the run has ended. */
  async follow(id: string, tell: (run: RunProgress) => void): Promise<void> {
    const updates = this.#client.iterate<{ runUpdated: RunProgress }>({ query: WATCH, variables: { id } })
    const stop = () => void updates.return?.()
    this.signal.addEventListener('abort', stop, { once: true })
    try {
      for await (const { data, errors } of updates) {
        if (errors) throw new Error(`the subscription failed: ${errors.map((error) => error.message).join('; ')}`)
        if (data) tell(data.runUpdated)
      }
      this.signal.throwIfAborted()
    } catch (error) {
      this.signal.throwIfAborted()
      // A socket that was cut off says so with a close event, which is no Error.
      throw error instanceof Error ? error : new Error('the connection was lost', { cause: error })
    } finally {
      this.signal.removeEventListener('abort', stop)
    }
  }

  async read(id: string): Promise<RunResult> {
    const { run } = await this.#post<{ run: RunResult | null }>(READ, { id })
    if (run === null) throw new Error(`the server does not know the run ${id}`)
    return run
  }

  async close(): Promise<void> {
    await this.#client.dispose()
  }

  async #post<Data>(query: string, variables: Readonly<Record<string, unknown>>): Promise<Data> {
    const response = await fetch(this.#endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query, variables }),
      signal: this.signal,
    })
    const result = (await response.json()) as { data?: Data | null; errors?: { message: string }[] }
    if (result.errors || !result.data) {
      throw new Error(`the query failed: ${result.errors?.map((error) => error.message).join('; ') ?? response.status}`)
    }
    return result.data
  }
}
