/** Talking to a server as clients do: GraphQL over HTTP, and subscriptions over server-sent events. */

export interface GraphQLError {
  message: string
  extensions?: { code?: string }
}

export interface Answer<Data> {
  data?: Data
  errors?: GraphQLError[]
}

export type Variables = Record<string, unknown>

/** How a stream ended: with the server's word for it, or without. */
export type StreamEnd = 'complete' | 'cut'

export class ApiClient {
  /** Without a token: as whoever reaches the server. */
  constructor(
    readonly url: string,
    readonly token: string | null = null,
  ) {}

  #headers(): Record<string, string> {
    const json = { 'content-type': 'application/json' }
    return this.token === null ? json : { ...json, authorization: `Bearer ${this.token}` }
  }

  async raw<Data>(query: string, variables: Variables = {}): Promise<Answer<Data>> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: this.#headers(),
      body: JSON.stringify({ query, variables }),
    })
    return (await response.json()) as Answer<Data>
  }

  /** The data; an answer with errors is thrown. */
  async ask<Data>(query: string, variables: Variables = {}): Promise<Data> {
    const { data, errors } = await this.raw<Data>(query, variables)
    if (errors || !data) throw new Error(JSON.stringify(errors))
    return data
  }

  /** The codes of the errors that the answer has. */
  async refusal(query: string, variables: Variables = {}): Promise<(string | undefined)[]> {
    const { errors } = await this.raw(query, variables)
    return (errors ?? []).map(({ extensions }) => extensions?.code)
  }

  /** Each event of a subscription over SSE; ends with the stream, and ends the stream where the consumer stops. */
  async *subscribe<Data>(query: string, variables: Variables = {}): AsyncGenerator<Data, StreamEnd> {
    return yield* await this.open<Data>(query, variables)
  }

  /** Resolves with the first bytes of the stream: what happens from then on is told. */
  async open<Data>(query: string, variables: Variables = {}): Promise<AsyncGenerator<Data, StreamEnd>> {
    const gone = new AbortController()
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { ...this.#headers(), accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables }),
      signal: gone.signal,
    })
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) {
      throw new Error(`expected events, got ${response.status} ${await response.text()}`)
    }
    const pieces = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    const first = await pieces.next()
    return results<Data>(first.value ?? '', pieces, gone)
  }

  async launchFetch(input: Variables): Promise<Launched> {
    const { launch } = await this.ask<{ launch: Launched }>(
      `mutation($input: LaunchFetchBatchInput!) { launch: launchFetchBatch(input: $input) { ${LAUNCHED} } }`,
      { input },
    )
    return launch
  }

  async launchCompute(input: Variables): Promise<Launched> {
    const { launch } = await this.ask<{ launch: Launched }>(
      `mutation($input: LaunchComputeBatchInput!) { launch: launchComputeBatch(input: $input) { ${LAUNCHED} } }`,
      { input },
    )
    return launch
  }

  async launchPipeline(input: Variables): Promise<Launched> {
    const { launch } = await this.ask<{ launch: Launched }>(
      `mutation($input: LaunchPipelineInput!) { launch: launchPipeline(input: $input) { ${LAUNCHED} } }`,
      { input },
    )
    return launch
  }

  /** Launches what must be accepted; the id of its run. */
  async start(launch: Promise<Launched>): Promise<string> {
    const { run, userErrors } = await launch
    if (!run) throw new Error(JSON.stringify(userErrors))
    return run.id
  }

  /** Follows the run to its end; the status that it ended with. */
  async ended(id: string): Promise<string> {
    let status = ''
    for await (const { runUpdated } of this.subscribe<{ runUpdated: { status: string } }>(
      'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { status } }',
      { id },
    )) {
      status = runUpdated.status
    }
    return status
  }

  /** Follows the run until at least so many of its tasks are told to be in service. */
  async running(id: string, count: number): Promise<void> {
    for await (const { runUpdated } of this.subscribe<{ runUpdated: { progress: { running: number } } }>(
      'subscription($id: ID!) { runUpdated(id: $id, maxPerSecond: 60) { progress { running } } }',
      { id },
    )) {
      if (runUpdated.progress.running >= count) return
    }
    throw new Error(`the run ended before ${count} of its tasks were in service`)
  }

  /** Launches what must be accepted and follows it to its end; the id of its run. */
  async finish(launch: Promise<Launched>): Promise<string> {
    const id = await this.start(launch)
    await this.ended(id)
    return id
  }

  /** Fields of a run that must be there. */
  async run<Fields>(id: string, fields: string): Promise<Fields> {
    const { run } = await this.ask<{ run: Fields | null }>(`query($id: ID!) { run(id: $id) { ${fields} } }`, { id })
    if (!run) throw new Error(`there is no run ${id}`)
    return run
  }

  /** Fields of the run's ended tasks, of 1,000 at most, by index if nothing else is asked. */
  async tasks<Fields>(id: string, fields: string, args = ''): Promise<Fields[]> {
    const { tasks } = await this.run<{ tasks: { nodes: Fields[] } }>(
      id,
      `tasks(first: 1000 ${args}) { nodes { ${fields} } }`,
    )
    return tasks.nodes
  }
}

const LAUNCHED = 'deduplicated run { id status } userErrors { code message field retryAfterMs }'

export interface Launched {
  deduplicated: boolean
  run: { id: string; status: string } | null
  userErrors: { code: string; message: string; field: string[] | null; retryAfterMs: number | null }[]
}

async function* results<Data>(
  first: string,
  pieces: AsyncIterator<string>,
  gone: AbortController,
): AsyncGenerator<Data, StreamEnd> {
  try {
    for await (const { event, data } of events(first, pieces)) {
      if (event === 'complete') return 'complete'
      const answer = JSON.parse(data) as Answer<Data>
      if (answer.errors || !answer.data) throw new Error(JSON.stringify(answer.errors))
      yield answer.data
    }
    return 'cut'
  } finally {
    gone.abort()
  }
}

/** A connection that breaks is an end like any other here: what came before it counts. */
async function* events(
  first: string,
  pieces: AsyncIterator<string>,
): AsyncGenerator<{ event: string; data: string }, void> {
  let buffered = first
  for (;;) {
    for (let end = buffered.indexOf('\n\n'); end >= 0; end = buffered.indexOf('\n\n')) {
      const block = buffered.slice(0, end)
      buffered = buffered.slice(end + 2)
      const event = /^event: ?(.*)$/m.exec(block)?.[1]
      const data = /^data: ?(.*)$/m.exec(block)?.[1] ?? ''
      if (event) yield { event, data }
    }
    const piece = await pieces.next().catch(() => null)
    if (piece === null || piece.done) return
    buffered += piece.value
  }
}

/** Everything that a stream sends, and how it ended. */
export async function drain<Data>(stream: AsyncGenerator<Data, StreamEnd>): Promise<{ all: Data[]; end: StreamEnd }> {
  const all: Data[] = []
  for (;;) {
    const next = await stream.next()
    if (next.done) return { all, end: next.value }
    all.push(next.value)
  }
}

/** The next so many that a stream sends; the stream stays open. */
export async function take<Data>(stream: AsyncGenerator<Data, unknown>, count: number): Promise<Data[]> {
  const taken: Data[] = []
  while (taken.length < count) {
    const next = await stream.next()
    if (next.done) throw new Error(`the stream ended after ${taken.length} of ${count}`)
    taken.push(next.value)
  }
  return taken
}
