/** A table for spreadsheets: RFC 4180, a line a task. */

import { stringify } from 'csv-stringify/sync'
import { type Json, stageLabel } from '../batch.js'
import { runId } from '../ids.js'
import { maskUrl } from '../secrets.js'
import type { FetchDetail } from '../task.js'
import { type ExportedRun, type ExportedTask, instantOf, type TaskText } from './export.js'

/** A JSON number, as it was written. */
interface NumberText {
  digits: string
}

type Cell = string | number | boolean | null | NumberText

/** By column. */
const FETCH_CELLS: Readonly<Record<string, (fetch: FetchDetail) => Cell>> = {
  url: ({ url }) => maskUrl(url),
  finalUrl: ({ finalUrl }) => maskUrl(finalUrl),
  host: ({ host }) => host,
  httpStatus: ({ status }) => status,
  bytes: ({ bytes }) => bytes,
  sha256: ({ sha256 }) => sha256,
  contentType: ({ contentType }) => contentType,
  redirects: ({ redirects }) => redirects,
  dnsMs: ({ dnsMs }) => dnsMs,
  connectMs: ({ connectMs }) => connectMs,
  tlsMs: ({ tlsMs }) => tlsMs,
  firstByteMs: ({ firstByteMs }) => firstByteMs,
  downloadMs: ({ downloadMs }) => downloadMs,
  reusedConnection: ({ reusedConnection }) => reusedConnection,
}
const FETCH_COLUMNS = Object.entries(FETCH_CELLS)

export const CSV_COLUMNS: readonly string[] = [
  'run',
  'stage',
  'index',
  'status',
  'input',
  'output',
  'errorCode',
  'errorMessage',
  'attempts',
  'lane',
  'startedMs',
  'queueWaitMs',
  'serviceMs',
  'cpuMs',
  ...FETCH_COLUMNS.map(([column]) => column),
  'startedAt',
]

export class CsvText implements TaskText {
  readonly #run: ExportedRun
  readonly #id: string
  readonly #stages: readonly string[]

  constructor(run: ExportedRun) {
    this.#run = run
    this.#id = runId(run.key)
    this.#stages = run.spec.stages.map((_, at) => stageLabel(run.spec.stages, at))
  }

  head(): string {
    return toLines([CSV_COLUMNS])
  }

  tasks(tasks: readonly ExportedTask[]): string {
    return tasks.length === 0 ? '' : toLines(tasks.map((task) => this.#cells(task)))
  }

  end(): string {
    return ''
  }

  #cells({ task, input }: ExportedTask): Cell[] {
    const { error, fetch } = task
    return [
      this.#id,
      this.#stages[task.stage] ?? '',
      task.index,
      task.status,
      valueCell(input),
      textCell(task.output),
      error?.code ?? null,
      error?.message ?? null,
      task.attempts,
      task.lane,
      task.startedMs,
      task.queueWaitMs,
      task.serviceMs,
      task.cpuMs,
      ...FETCH_COLUMNS.map(([, cellOf]) => (fetch === null ? null : cellOf(fetch))),
      instantOf(this.#run, task.startedMs),
    ]
  }
}

/**
 * A text that a spreadsheet would take for a formula gets an apostrophe before it. That of a negative number begins like one
 * and is none: numbers are left alone.
 */
function toLines(rows: readonly (readonly Cell[])[]): string {
  return stringify(rows as Cell[][], {
    record_delimiter: '\r\n',
    // By itself it quotes where it finds the record's delimiter, both characters together.
    quoted_match: /[\r\n]/,
    escape_formulas: true,
    cast: {
      boolean: (value) => String(value),
      object: ({ digits }) => ({ value: String(digits), escape_formulas: false }),
    },
  })
}

/** A text as it is, anything else as its JSON. */
function valueCell(value: Json): Cell {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  return JSON.stringify(value)
}

/** The same of a JSON text; numbers keep all their digits. */
function textCell(text: string | null): Cell {
  if (text === null || text === 'null') return null
  if (text.startsWith('"')) return JSON.parse(text) as string
  return text.startsWith('-') ? { digits: text } : text
}
