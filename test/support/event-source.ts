export interface ServerEvent {
  event: string
  data: string
}

/** A subscription over SSE, read event by event; comments (pings) are counted. */
export class EventSource {
  pings = 0
  readonly #gone = new AbortController()
  #reader: AsyncIterator<string> | null = null
  #text = ''

  constructor(
    readonly url: string,
    readonly query: string,
    readonly variables: Record<string, unknown> = {},
  ) {}

  async open(headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(`${this.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
      body: JSON.stringify({ query: this.query, variables: this.variables }),
      signal: this.#gone.signal,
    })
    if (response.body) this.#reader = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    return response
  }

  /** The next event; null where the connection has ended. */
  async next(): Promise<ServerEvent | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end >= 0) {
        const block = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 2)
        if (!block.startsWith(':')) return parse(block)
        this.pings += 1
        continue
      }
      if (!(await this.#read())) return null
    }
  }

  /** Resolves once so many pings have come; only for streams that are silent meanwhile. */
  async untilPings(count: number): Promise<void> {
    while (this.pings + this.#text.split(':\n\n').length - 1 < count) if (!(await this.#read())) return
  }

  /** The data of the next event, parsed. */
  async data<Data>(): Promise<Data> {
    const event = await this.next()
    if (event?.event !== 'next') throw new Error(`expected an event, got ${JSON.stringify(event)}`)
    return JSON.parse(event.data).data as Data
  }

  close(): void {
    this.#gone.abort()
  }

  async #read(): Promise<boolean> {
    const chunk = await this.#reader?.next()
    if (chunk === undefined || chunk.done) return false
    this.#text += chunk.value
    return true
  }
}

function parse(block: string): ServerEvent {
  const fields = new Map(
    block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return { event: fields.get('event') ?? '', data: fields.get('data') ?? '' }
}
