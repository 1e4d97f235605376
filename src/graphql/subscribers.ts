/** How many subscriptions are open, by what carries them. */

export type StreamTransport = 'SSE' | 'WEBSOCKET'

export class Subscribers {
  readonly #open: Record<StreamTransport, number> = { SSE: 0, WEBSOCKET: 0 }

  get open(): Readonly<Record<StreamTransport, number>> {
    return this.#open
  }

  /** One has been opened; what it answers with is to be called once, at its end. */
  enter(transport: StreamTransport): () => void {
    this.#open[transport] += 1
    return () => {
      this.#open[transport] -= 1
    }
  }
}
