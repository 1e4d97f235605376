/** Exports: /runs/<id>/export.<csv|ndjson|har|trace.json>, as long as the run is, for programs and browsers to save. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { create as contentDisposition } from 'content-disposition'
import type { Identity } from '../domain/access.js'
import type { LinkedExport, SignedLink } from '../domain/export-links.js'
import {
  contentTypeOf,
  type ExportedRun,
  fileNameOf,
  formatOfEnding,
  hasFetches,
  plainName,
} from '../domain/exports/export.js'
import { parseRunId } from '../domain/ids.js'
import type { ApiServices } from '../graphql/context.js'
import { answerError } from './answers.js'

export const RUNS_PATH = '/runs/'

/** Each has some pieces in memory, and they share one thread. */
const MAX_AT_A_TIME = 16
/** Of one token and its links: slow readers, or a link that has got about, leave the others room. Without tokens there is nobody to tell apart. */
const MAX_OF_A_TOKEN = MAX_AT_A_TIME / 2
const BUSY_RETRY_MS = 2_000

const HEADERS = {
  // It has what clients and origins have sent: nothing of it is to run, and no other site is to use it.
  'content-security-policy': "default-src 'none'; sandbox",
  'cross-origin-resource-policy': 'same-origin',
  // The link that it was asked by may open it.
  'referrer-policy': 'no-referrer',
  'cache-control': 'private, no-store',
  'accept-ranges': 'none',
}

/** Id and ending, as they may be written in a path. */
const PATH = /^\/runs\/([^/]+)\/export\.([^/]+)$/

/** What a request asks for; null where that is nothing of ours. */
function targetOf(req: IncomingMessage): LinkedExport | null {
  const [, id, ending] = PATH.exec((req.url ?? '').split('?', 1)[0] ?? '') ?? []
  const run = parseRunId(decoded(id ?? ''))
  const format = formatOfEnding(ending ?? '')
  return run === null || format === null ? null : { run, format }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}

/** The link that a request follows; null where it is asked for without one. */
export function signedLinkOf(req: IncomingMessage): SignedLink | null {
  const target = targetOf(req)
  const query = new URLSearchParams((req.url ?? '').split('?')[1])
  const [expires, signature] = [query.get('expires'), query.get('signature')]
  return target === null || expires === null || signature === null ? null : { ...target, expires, signature }
}

export class Exports {
  readonly #services: Pick<ApiServices, 'engine' | 'store'>
  #underWay = 0
  /** Of each token that has some under way, by the space of its identity. */
  readonly #ofTokens = new Map<string, number>()

  constructor(services: Pick<ApiServices, 'engine' | 'store'>) {
    this.#services = services
  }

  /** Rejects with what went wrong at the server; where the file has begun, its connection is cut: it must not look whole. */
  async answer(req: IncomingMessage, res: ServerResponse, { space }: Pick<Identity, 'space'>): Promise<void> {
    const target = targetOf(req)
    if (target === null)
      return answerMissing(res, 'Nothing is here: expected /runs/<id>/export.<csv|ndjson|har|trace.json>')
    const run = await this.#services.engine.run(target.run)
    if (run === null) return answerMissing(res, 'There is no such run')
    if (target.format === 'HAR' && !hasFetches(run.record.spec)) {
      return answerMissing(
        res,
        'The run has no fetches, which is what a HAR is of: csv, ndjson and trace.json are there',
      )
    }
    const headers = headersOf(run.record, target)
    if (req.method === 'HEAD') res.writeHead(200, headers).end()
    else await this.#inTurn(res, space, () => this.#send(res, { headers, ...target, record: run.record }))
  }

  /** Refuses what is one too many. */
  async #inTurn(res: ServerResponse, space: string, send: () => Promise<void>): Promise<void> {
    const message = this.#fullness(space)
    if (message !== null) return answerError(res, 429, { code: 'RATE_LIMITED', message, retryAfterMs: BUSY_RETRY_MS })
    this.#count(space, 1)
    try {
      await send()
    } finally {
      this.#count(space, -1)
    }
  }

  /** Why no more can be under way; null where they can. */
  #fullness(space: string): string | null {
    if (space !== '' && (this.#ofTokens.get(space) ?? 0) >= MAX_OF_A_TOKEN) {
      return `${MAX_OF_A_TOKEN} exports of this token and its links are under way, which is as many as it can have`
    }
    if (this.#underWay < MAX_AT_A_TIME) return null
    return `${MAX_AT_A_TIME} exports are under way, which is as many as there can be`
  }

  #count(space: string, by: 1 | -1): void {
    this.#underWay += by
    const ofToken = (this.#ofTokens.get(space) ?? 0) + by
    if (ofToken === 0) this.#ofTokens.delete(space)
    else this.#ofTokens.set(space, ofToken)
  }

  async #send(
    res: ServerResponse,
    { record, format, headers }: { record: ExportedRun; headers: Record<string, string> } & LinkedExport,
  ): Promise<void> {
    const pieces = this.#services.store.exportRun(record, format)
    try {
      // What cannot be read at all is still answered with an error.
      const first = await pieces.next()
      res.writeHead(200, headers)
      await pipeline(withFirst(first, pieces), res)
    } catch (error) {
      // Nobody is there to be told, or to be told more: the client has gone, was cut off for reading nothing, or the server leaves.
      if (!isGone(error)) throw error
    } finally {
      await pieces.return()
    }
  }
}

async function* withFirst(
  first: IteratorResult<Uint8Array, void>,
  rest: AsyncGenerator<Uint8Array, void>,
): AsyncGenerator<Uint8Array, void> {
  if (first.done) return
  yield first.value
  yield* rest
}

function headersOf(run: ExportedRun, { format }: LinkedExport): Record<string, string> {
  const name = fileNameOf(run, format)
  return {
    ...HEADERS,
    'content-type': contentTypeOf(format),
    'content-disposition': contentDisposition(name, { fallback: plainName(name) }),
  }
}

function answerMissing(res: ServerResponse, message: string): void {
  answerError(res, 404, { code: 'NOT_FOUND', message })
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ERR_STREAM_UNABLE_TO_PIPE'
}
