/** What a run is exported as. The formats are pure: they are told tasks, in the order of the file, and answer with its text. */

import type { BatchSpec, Json } from '../batch.js'
import { type RunKey, runId } from '../ids.js'
import type { RunRecord } from '../run.js'
import type { TaskRecord } from '../task.js'

export const ExportFormat = { CSV: 'CSV', NDJSON: 'NDJSON', HAR: 'HAR', TRACE: 'TRACE' } as const
export type ExportFormat = (typeof ExportFormat)[keyof typeof ExportFormat]

/** What a file of tasks is made of; of a trace see TraceText. */
export type TaskFormat = Exclude<ExportFormat, 'TRACE'>

/** What is known of a run before its tasks are read. Survives a structured clone. */
export type ExportedRun = Pick<RunRecord, 'id' | 'key' | 'spec' | 'createdAt' | 'startedAt'>

/** A task as it is told: its secrets are masked. */
export interface ExportedTask {
  task: TaskRecord
  /** As Task.input has it. */
  input: Json
}

/** A file that is made task by task, in the order of index and stage. */
export interface TaskText {
  head(): string
  /** Of the next tasks. */
  tasks(tasks: readonly ExportedTask[]): string
  end(): string
}

const FILES: Record<ExportFormat, { ending: string; contentType: string }> = {
  CSV: { ending: 'csv', contentType: 'text/csv; charset=utf-8' },
  NDJSON: { ending: 'ndjson', contentType: 'application/x-ndjson' },
  HAR: { ending: 'har', contentType: 'application/json' },
  TRACE: { ending: 'trace.json', contentType: 'application/json' },
}

export function contentTypeOf(format: ExportFormat): string {
  return FILES[format].contentType
}

/** Where the server gives the file, a path on it. */
export function exportPath(run: RunKey, format: ExportFormat): string {
  return `/runs/${runId(run)}/export.${FILES[format].ending}`
}

/** The format whose files end so, without the leading dot; null where none does. */
export function formatOfEnding(ending: string): ExportFormat | null {
  return Object.values(ExportFormat).find((format) => FILES[format].ending === ending) ?? null
}

/** Whether something is sent: a HAR tells of nothing else. */
export function hasFetches({ stages }: Pick<BatchSpec, 'stages'>): boolean {
  return stages.some(({ kind }) => kind === 'FETCH')
}

/** What a person calls the run: its name, or what its stages do. */
export function titleOf({ name, stages }: Pick<BatchSpec, 'name' | 'stages'>): string {
  return name ?? stages.map((stage) => (stage.kind === 'COMPUTE' ? stage.function : 'fetch')).join(' ')
}

/** Characters that a file system has other uses for, that cannot be seen, or that turn the direction of what follows. */
const UNFIT = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/\\:*?"<>|]+/gu
const MAX_TITLE_CHARS = 80
/** Of UTF-8. File systems take 255 in all: the time and the ending are 29, and browsers add signs of their own. */
const MAX_TITLE_BYTES = 200
const characters = new Intl.Segmenter('en', { granularity: 'grapheme' })
const utf8 = new TextEncoder()

/** What the file is called where it is saved. */
export function fileNameOf({ spec, createdAt }: ExportedRun, format: ExportFormat): string {
  const fit = titleOf(spec).replace(UNFIT, ' ').replace(/\s+/g, ' ').trim()
  // A leading dot would hide the file.
  const title =
    cut(fit)
      .replace(/^[.\s]+/, '')
      .trim() || 'run'
  const [day = '', time = ''] = createdAt.toISOString().split('T')
  return `${title} ${day} ${time.slice(0, 8).replaceAll(':', '')}.${FILES[format].ending}`
}

/** By characters, as they are seen: none is cut in half. */
function cut(title: string): string {
  let [chars, bytes, end] = [0, 0, 0]
  for (const { segment, index } of characters.segment(title)) {
    chars += 1
    bytes += utf8.encode(segment).length
    if (chars > MAX_TITLE_CHARS || bytes > MAX_TITLE_BYTES) break
    end = index + segment.length
  }
  return title.slice(0, end)
}

/** The name for programs that know ASCII alone: letters lose their accents, and all else is an underscore. */
export function plainName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^ -~]/gu, '_')
}

/** The instant that is so far from the run's start; null where there is none. */
export function instantOf({ startedAt }: Pick<ExportedRun, 'startedAt'>, afterMs: number | null): string | null {
  return startedAt === null || afterMs === null ? null : new Date(startedAt.getTime() + afterMs).toISOString()
}
