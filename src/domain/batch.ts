/** What a client submits, checked and with its defaults filled in: the part of a run that never changes. */

import type { Budget } from './budget.js'
import type { StageKind, Strategy } from './strategy.js'

/** A strategy that a launch may ask for. */
export type AskedStrategy = Exclude<Strategy, 'CLUSTER'>

/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export interface Label {
  name: string
  value: string
}

export interface Header {
  name: string
  value: string
}

export interface RetryPolicy {
  /** 1 means no retry. */
  maxAttempts: number
  backoffMs: number
  maxBackoffMs: number
  /** Also POST and PATCH. */
  unsafe: boolean
}

export const BodyPolicy = { DISCARD: 'DISCARD', STORE: 'STORE', JSON: 'JSON', TEXT: 'TEXT' } as const
export type BodyPolicy = (typeof BodyPolicy)[keyof typeof BodyPolicy]

export const Reducer = { SUM: 'SUM', MIN: 'MIN', MAX: 'MAX', COUNT: 'COUNT', COLLECT: 'COLLECT' } as const
export type Reducer = (typeof Reducer)[keyof typeof Reducer]

/** One request as a client wrote it. */
export interface FetchRequest {
  url: string
  method: string
  headers: Header[]
  body: string | null
}

/** In the place of a request: a line of a file that is none. It is not sent, and its task fails; `url` is the line, shortened. */
export interface UnsendableRequest extends FetchRequest {
  /** Why: the message of INVALID_INPUT. */
  problem: string
}

export interface FetchOptions {
  bodyPolicy: BodyPolicy
  /** Of the decoded body. */
  maxBytes: number
  maxRedirects: number
  headers: Header[]
  /** Statuses that count as success; null: 200 to 299. */
  okStatuses: number[] | null
  /** In flight to one host at most; null: no limit. Left out, as the next two, by launches older than the option. */
  perHostConcurrency?: number | null
  /** Requests a second to one host at most; null: no limit. */
  perHostRate?: number | null
  /** Send one request once, and give its answer to every item that names it. */
  dedupe?: boolean
}

/**
 * Where the items come from. A range or template is kept as it is, so that it costs the same whatever its size;
 * a list is stored in blocks beside the run; a file stays on disk as it came, an item a line (lines.ts). `count` items have
 * the indexes 0 to count - 1.
 */
export type Source =
  | { kind: 'list'; form: 'urls' | 'requests' | 'inputs'; count: number }
  /** `to` as asked: the last item may lie before it. */
  | { kind: 'template'; template: string; from: number; to: number; step: number; count: number }
  | { kind: 'range'; from: number; to: number; step: number; count: number }
  /** `name`: as its sender called it. `sha256`: in lower-case hex. */
  | { kind: 'file'; form: 'requests' | 'inputs'; name: string | null; bytes: number; sha256: string; count: number }

/** A source whose items follow from the index alone. */
export type CompactSource = Exclude<Source, { kind: 'list' | 'file' }>

/** What stages of a pipeline have besides: each is executed in its own way. */
interface PipelineStage {
  /** As asked for the stage, else for the batch. */
  strategy: AskedStrategy
  /** In flight at most; null: one a lane. */
  concurrency: number | null
  /** Where its input is in what the stage before gave, a JSON pointer; '' for all of it, and in the first stage. */
  from: string
}

interface FetchWork {
  kind: 'FETCH'
  name: string
  fetch: FetchOptions
}

interface ComputeWork {
  kind: 'COMPUTE'
  name: string
  function: string
  chunkSize: number | null
  reduce: Reducer | null
}

/** A step that every item goes through. In batches of one stage all but the work is the batch's own. */
export type StageSpec = (FetchWork | ComputeWork) & Partial<PipelineStage>

/** The number of a stage, from 1, where another one has its name too; null where the name alone tells which one it is. */
export function stageNumber(stages: readonly Named[], at: number): number | null {
  return stages.filter(({ name }) => name === stages[at]?.name).length > 1 ? at + 1 : null
}

/** What messages call a stage: `fetch`, or `stage 1 (fetch)` where another one has that name too. */
export function stageLabel(stages: readonly Named[], at: number): string {
  const number = stageNumber(stages, at)
  const name = stages[at]?.name ?? ''
  return number === null ? name : `stage ${number} (${name})`
}

type Named = Pick<StageSpec, 'name'>

export type RunKind = StageKind | 'PIPELINE'

/** A batch, ready to be run. Stored whole with its run; headers are in the clear here and masked in what the API shows. */
export interface BatchSpec {
  kind: RunKind
  name: string | null
  labels: Label[]
  priority: number
  strategy: AskedStrategy
  /** Of pipelines: as asked for, which their stages have been filled in with. */
  concurrency: number | null
  lanes: number | null
  failFast: boolean
  retry: RetryPolicy
  /** For one attempt of one task; null: none, but see stageTimeoutMs. */
  timeoutMs: number | null
  /** Left out where none was given, as by launches older than it: the hash of such an input stays what it was. */
  budget?: Budget
  source: Source
  stages: StageSpec[]
}

/** A fetch without an end would hold its place for ever. */
export const FETCH_TIMEOUT_MS = 30_000

/** What one attempt of a task of this stage may take; null: as long as it likes. */
export function stageTimeoutMs(
  { kind, timeoutMs }: Pick<BatchSpec, 'kind' | 'timeoutMs'>,
  stage: StageSpec,
): number | null {
  return timeoutMs ?? (kind === 'PIPELINE' && stage.kind === 'FETCH' ? FETCH_TIMEOUT_MS : null)
}

/** What the stages call, each once, in their order. */
export function functionsOf({ stages }: Pick<BatchSpec, 'stages'>): string[] {
  return [...new Set(stages.flatMap((stage) => (stage.kind === 'COMPUTE' ? [stage.function] : [])))]
}

/** Whether the bodies that a stage fetches are stored. */
export function storesBodies(stage: StageSpec | undefined): boolean {
  return stage?.kind === 'FETCH' && stage.fetch.bodyPolicy === 'STORE'
}

/** The number that `{i}` stands for in a template, or the input of a range, at `index`. */
export function numberAt(source: Pick<CompactSource, 'from' | 'step'>, index: number): number {
  const distance = source.step * index
  // Two numbers of opposite signs can lie further apart than doubles are exact.
  if (Number.isSafeInteger(distance)) return source.from + distance
  return Number(BigInt(source.from) + BigInt(source.step) * BigInt(index))
}

/** The input of the item at `index`, of a source that follows from the index. */
export function compactInput(source: CompactSource, index: number): string | number {
  const number = numberAt(source, index)
  return source.kind === 'range' ? number : source.template.replaceAll('{i}', String(number))
}

/** An item of a list or a file as the request it stands for. */
export function toFetchRequest(input: unknown): FetchRequest {
  if (typeof input === 'string') return { url: input, method: 'GET', headers: [], body: null }
  return input as FetchRequest
}

/** Whether an item is a line of a file that is no request. */
export function isUnsendable(input: unknown): input is UnsendableRequest {
  return typeof input === 'object' && input !== null && 'problem' in input
}
