/** Server-Sent Events: how a subscription's events go out over HTTP. */

import type { ServerResponse } from 'node:http'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { Clock } from '../clock.js'
import { type ErrorPolicy, type Result, toPublicResult } from '../graphql/errors.js'

/** A client that has taken nothing of what is there for it for so long is gone, or may as well be. */
const STALLED_MS = 120_000

export interface EventStreamOptions {
  clock: Clock
  policy: ErrorPolicy
  /** Proxies take a connection for dead that is silent for a minute or less. */
  pingMs: number
  /** Aborted when the server shuts down. */
  closing: AbortSignal
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // Asks nginx and its like to pass each event on as it comes.
  'x-accel-buffering': 'no',
}

/**
 * Takes the place of Yoga's own, whose pings end for good once a client was slow, and whose streams a shutdown would
 * complete: a client must be able to tell the end of its run from the end of the server.
 */
export function useEventStream(options: EventStreamOptions): Plugin<object, { res?: ServerResponse }> {
  return {
    onResultProcess({ request, result, setResultProcessor, serverContext }) {
      if (Array.isArray(result)) return
      const streamed = isAsyncIterable<Result>(result)
      if (!acceptsEvents(request.headers.get('accept'), streamed)) {
        // It cannot be answered with: nobody will take anything of it.
        if (streamed) void Promise.resolve(result[Symbol.asyncIterator]().return?.()).catch(() => {})
        return
      }
      const events = streamed ? result[Symbol.asyncIterator]() : only(result as Result)
      setResultProcessor(() => {
        const cut = () => void serverContext?.res?.destroy()
        return new Response(eventStream(events, { gone: request.signal, cut }, options), { headers: HEADERS })
      }, 'text/event-stream')
    },
  }
}

/** A stream of results can go out as events alone; a single result does where events are asked for first. */
function acceptsEvents(accept: string | null, streamed: boolean): boolean {
  const types = (accept ?? '*/*').split(',').map((type) => type.split(';', 1)[0]?.trim().toLowerCase())
  if (streamed) return types.some((type) => type === 'text/event-stream' || type === 'text/*' || type === '*/*')
  return types[0] === 'text/event-stream'
}

async function* only(result: Result): AsyncGenerator<Result, void, void> {
  yield result
}

const ENCODER = new TextEncoder()
const PING = ENCODER.encode(':\n\n')
const COMPLETE = ENCODER.encode('event: complete\ndata:\n\n')

/** The connection that the events go out on. */
interface Connection {
  /** Aborted when the client has closed it. */
  gone: AbortSignal
  /** Closes it from here. */
  cut(): void
}

function eventStream(
  events: AsyncIterator<Result>,
  { gone, cut }: Connection,
  { clock, policy, pingMs, closing }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  let open = true
  /** When there was room last for more. */
  let takenAtMs = clock.monotonicMs()
  let cancelPing = () => {}
  let end = () => {}
  /** Lets go of everything, once; the source at once, whatever it waits for. */
  const release = () => {
    if (!open) return
    open = false
    cancelPing()
    gone.removeEventListener('abort', end)
    closing.removeEventListener('abort', end)
    void events.return?.().catch(() => {})
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const ping = () => {
        // A client that is behind has bytes on their way: it needs no ping, now.
        if ((controller.desiredSize ?? 0) > 0) {
          takenAtMs = clock.monotonicMs()
          controller.enqueue(PING)
        } else if (clock.monotonicMs() - takenAtMs >= STALLED_MS) {
          end()
          cut()
          return
        }
        cancelPing = clock.setTimer(ping, pingMs)
      }
      end = () => {
        if (!open) return
        release()
        controller.close()
      }
      // Some browsers show nothing of an answer before its first bytes.
      controller.enqueue(PING)
      cancelPing = clock.setTimer(ping, pingMs)
      gone.addEventListener('abort', end)
      closing.addEventListener('abort', end)
      if (gone.aborted || closing.aborted) end()
    },
    async pull(controller) {
      takenAtMs = clock.monotonicMs()
      const text = await nextEvent(events, policy)
      if (!open) return
      controller.enqueue(text ?? COMPLETE)
      if (text === null) end()
    },
    cancel: release,
  })
}

/** The next event as it is sent; null at the end. A source that fails ends with its error. */
async function nextEvent(events: AsyncIterator<Result>, policy: ErrorPolicy): Promise<Uint8Array | null> {
  const result = await events.next().catch((error: unknown) => ({ done: false, value: { errors: [error] } }) as const)
  return result.done ? null : ENCODER.encode(`event: next\ndata: ${textOf(result.value, policy)}\n\n`)
}

/** What cannot be written is told as a fault of the server: a stream that broke here would leave its client waiting. */
function textOf(result: Result, policy: ErrorPolicy): string {
  try {
    return JSON.stringify(toPublicResult(result, policy))
  } catch (error) {
    return JSON.stringify(toPublicResult({ errors: [error] }, policy))
  }
}
