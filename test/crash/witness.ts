/** A client that follows a run over crashes, and knows what it has seen. */

import type { ApiClient, StreamEnd } from '../support/api.js'

export interface SeenTask {
  stage: number
  index: number
  status: string
  output: unknown
  error: { code: string; message: string } | null
}

export const TASK = 'stage index status output error { code message }'

type Edge = { cursor: string; node: SeenTask }
type Many = { cursor: string; nodes: SeenTask[] }

const ONE_BY_ONE = `subscription($id: ID!, $after: String) { told: taskEnded(runId: $id, after: $after) { cursor node { ${TASK} } } }`
const MANY = `subscription($id: ID!, $after: String) {
  told: tasksEnded(runId: $id, after: $after, maxPerSecond: 60) { cursor nodes { ${TASK} } }
}`
const UPDATES = `subscription($id: ID!) { told: runUpdated(id: $id, maxPerSecond: 60) { status progress { sequence done } } }`

interface Update {
  status: string
  progress: { sequence: number; done: number }
}

export function keyOf({ stage, index }: { stage: number; index: number }): string {
  return `${stage}/${index}`
}

export class Witness {
  readonly seen = new Map<string, SeenTask>()
  readonly problems: string[] = []
  /** The last that was told of the run. */
  latest: Update | null = null
  #cursor: string | null = null
  #hasEnded = false

  constructor(
    readonly id: string,
    private readonly options: {
      isOneByOne: boolean
      /** Called with whatever is told. */
      onTold(): void
    },
  ) {}

  /** Whether a stream has told of all there is to tell. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Follows the run until its end, or that of the server. */
  async follow(api: ApiClient): Promise<void> {
    await Promise.all(
      [this.#tasks(api), this.#updates(api)].map((stream) => stream.catch((error) => this.#fail(error))),
    )
  }

  async #tasks(api: ApiClient): Promise<void> {
    if (this.#hasEnded) return
    const variables = { id: this.id, after: this.#cursor }
    const end = this.options.isOneByOne
      ? await each(api.subscribe<{ told: Edge }>(ONE_BY_ONE, variables), ({ cursor, node }) =>
          this.#note(cursor, [node]),
        )
      : await each(api.subscribe<{ told: Many }>(MANY, variables), ({ cursor, nodes }) => this.#note(cursor, nodes))
    this.#hasEnded = end === 'complete'
  }

  #note(cursor: string, nodes: readonly SeenTask[]): void {
    for (const node of nodes) {
      if (this.seen.has(keyOf(node))) this.problems.push(`task ${keyOf(node)} was told twice`)
      this.seen.set(keyOf(node), node)
    }
    this.#cursor = cursor
    this.options.onTold()
  }

  /** What is told of the run rises, over crashes too. */
  async #updates(api: ApiClient): Promise<void> {
    await each(api.subscribe<{ told: Update }>(UPDATES, { id: this.id }), (update) => {
      const { latest } = this
      if (latest !== null && update.progress.sequence < latest.progress.sequence)
        this.problems.push(`the sequence went from ${latest.progress.sequence} to ${update.progress.sequence}`)
      if (latest !== null && update.progress.done < latest.progress.done)
        this.problems.push(`done went from ${latest.progress.done} to ${update.progress.done}`)
      this.latest = update
      this.options.onTold()
    })
  }

  /** A server that is killed refuses connections, or cuts them: that is none of a client's problems. */
  #fail(error: unknown): void {
    if (error instanceof TypeError && error.message === 'fetch failed') return
    this.problems.push(`a stream failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}

async function each<Told>(
  stream: AsyncGenerator<{ told: Told }, StreamEnd>,
  take: (told: Told) => void,
): Promise<StreamEnd> {
  for (;;) {
    const next = await stream.next()
    if (next.done) return next.value
    take(next.value.told)
  }
}
