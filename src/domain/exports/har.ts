/**
 * What was sent and what came back, as browsers' tools read it: HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/). An
 * entry is the last attempt of a task; what was never sent has none. Names with an underscore are our own, as the format allows.
 */

import { STATUS_CODES } from 'node:http'
import type { Entry, PostData, QueryString, Request, Response, Timings } from 'har-format'
import { type FetchRequest, type Header, isUnsendable, toFetchRequest } from '../batch.js'
import { DEFAULT_HEADERS, mergeHeaders } from '../headers.js'
import { runId, taskId } from '../ids.js'
import { maskHeaders, maskUrl } from '../secrets.js'
import { type Attempt, attemptsOf, type FetchDetail, type TaskRecord } from '../task.js'
import { type ExportedRun, type ExportedTask, instantOf, type TaskText, titleOf } from './export.js'

const HTTP = 'HTTP/1.1'
/** Of a header block or a body: not known. */
const UNKNOWN = -1

/** Where the time of an attempt went. `connect` holds `ssl`, as the format has it; -1: there was no such phase. */
type Phases = { [K in Exclude<keyof Timings, 'comment'>]-?: number }

export class HarText implements TaskText {
  readonly #run: ExportedRun
  readonly #version: string
  readonly #id: string
  /** Of each stage; null of computes. */
  readonly #headers: readonly (readonly Header[] | null)[]
  #isFirst = true

  /** `version`: of the product. */
  constructor(run: ExportedRun, version: string) {
    this.#run = run
    this.#version = version
    this.#id = runId(run.key)
    this.#headers = run.spec.stages.map((stage) => (stage.kind === 'FETCH' ? maskHeaders(stage.fetch.headers) : null))
  }

  head(): string {
    const { spec, startedAt, createdAt } = this.#run
    const begin = {
      version: '1.2',
      creator: { name: 'Heddle', version: this.#version },
      pages: [
        {
          startedDateTime: (startedAt ?? createdAt).toISOString(),
          id: this.#id,
          title: titleOf(spec),
          pageTimings: { onContentLoad: -1, onLoad: -1 },
        },
      ],
    }
    return `{"log":${JSON.stringify(begin).slice(0, -1)},"entries":[`
  }

  tasks(tasks: readonly ExportedTask[]): string {
    let text = ''
    for (const task of tasks) {
      const entry = this.#entry(task)
      if (entry === null) continue
      text += `${this.#isFirst ? '' : ','}\n${JSON.stringify(entry)}`
      this.#isFirst = false
    }
    return text
  }

  end(): string {
    return '\n]}}\n'
  }

  #entry({ task, input }: ExportedTask): Entry | null {
    const headers = this.#headers[task.stage] ?? null
    const last = attemptsOf(task).at(-1)
    if (headers === null || last === undefined || task.fetch === null) return null
    const request = toFetchRequest(input ?? task.fetch.url)
    if (isUnsendable(request) || !URL.canParse(request.url)) return null
    const timings = timingsOf(task.fetch, last.serviceMs)
    return {
      pageref: this.#id,
      startedDateTime: instantOf(this.#run, last.startedMs) ?? this.#run.createdAt.toISOString(),
      time: totalOf(timings),
      request: toRequest(request, headers),
      response: toResponse(task.fetch, task.error),
      cache: {},
      timings,
      ...this.#own(task, task.fetch, last),
    }
  }

  #own(task: TaskRecord, fetch: FetchDetail, last: Attempt) {
    return {
      _task: taskId(this.#run.key, task.stage, task.index),
      _stage: task.stage,
      _index: task.index,
      _status: task.status,
      _attempt: last.number,
      _lane: last.lane,
      _redirects: fetch.redirects,
      _finalUrl: maskUrl(fetch.finalUrl),
      ...(task.error && { _error: task.error }),
    }
  }
}

/** What the phases leave of the attempt's time was waited: for the answer where none came, for a connection elsewhere. */
function timingsOf(fetch: FetchDetail, serviceMs: number): Phases {
  const { dnsMs, connectMs, tlsMs, firstByteMs, downloadMs, reusedConnection } = fetch
  const connectedMs = connectMs === null ? 0 : connectMs + (tlsMs ?? 0)
  const known = (dnsMs ?? 0) + connectedMs + (firstByteMs ?? 0) + (downloadMs ?? 0)
  const restMs = Math.max(0, serviceMs - known)
  const wasSent = reusedConnection !== null
  const isUnanswered = wasSent && firstByteMs === null
  return {
    blocked: isUnanswered || (wasSent && downloadMs === null) ? 0 : restMs,
    dns: dnsMs ?? -1,
    connect: connectMs === null ? -1 : connectedMs,
    ssl: tlsMs ?? -1,
    send: 0,
    wait: (firstByteMs ?? 0) + (isUnanswered ? restMs : 0),
    receive: (downloadMs ?? 0) + (wasSent && !isUnanswered && downloadMs === null ? restMs : 0),
  }
}

/** All that is known; `ssl` is in `connect` already. */
function totalOf({ blocked, dns, connect, send, wait, receive }: Phases): number {
  return [blocked, dns, connect, send, wait, receive].reduce((sum, value) => sum + Math.max(0, value), 0)
}

function toRequest(request: FetchRequest, batch: readonly Header[]): Request {
  const headers = [...mergeHeaders([DEFAULT_HEADERS, batch, maskHeaders(request.headers)]).values()].flat()
  const { method, body } = request
  const url = maskUrl(request.url)
  return {
    method: method.toUpperCase(),
    url,
    httpVersion: HTTP,
    cookies: [],
    headers,
    queryString: queryOf(url),
    headersSize: UNKNOWN,
    bodySize: body === null ? 0 : Buffer.byteLength(body),
    ...(body !== null && { postData: postDataOf(headers, body) }),
  }
}

function queryOf(url: string): QueryString[] {
  return Array.from(new URL(url).searchParams, ([name, value]) => ({ name, value }))
}

function postDataOf(headers: readonly Header[], text: string): PostData {
  const mimeType = headers.find(({ name }) => name.toLowerCase() === 'content-type')?.value ?? ''
  return { mimeType, text }
}

function toResponse({ status, contentType, bytes }: FetchDetail, error: TaskRecord['error']): Response {
  return {
    status: status ?? 0,
    statusText: (status !== null && STATUS_CODES[status]) || '',
    httpVersion: status === null ? '' : HTTP,
    cookies: [],
    headers: contentType === null ? [] : [{ name: 'content-type', value: contentType }],
    content: { size: bytes, mimeType: contentType ?? 'x-unknown' },
    redirectURL: '',
    headersSize: UNKNOWN,
    bodySize: UNKNOWN,
    // Where Chrome's tools look for why a request failed.
    ...(error !== null && { _error: `${error.code}: ${error.message}` }),
  }
}
