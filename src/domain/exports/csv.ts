/** A table for spreadsheets: RFC 4180, a line a task. */

import { stringify } from 'csv-stringify/sync'
import { type Json, stageLabel } from '../batch.js'
import { runId } from '../ids.js'
import { maskUrl } from '../secrets.js'
import { type ExportedRun, type ExportedTask, instantOf, type TaskText } from './export.js'

export const CSV_COLUMNS = [
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
  'url',
  'finalUrl',
  'host',
  'httpStatus',
  'bytes',
  'sha256',
  'contentType',
  'redirects',
  'dnsMs',
  'connectMs',
  'tlsMs',
  'firstByteMs',
  'downloadMs',
  'reusedConnection',
  'startedAt',
] as const

type Cell = string | number | bigint | boolean | null

const NO_FETCH: readonly Cell[] = Array(14).fill(null)

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
      ...(fetch === null
        ? NO_FETCH
        : [
            maskUrl(fetch.url),
            maskUrl(fetch.finalUrl),
            fetch.host,
            fetch.status,
            fetch.bytes,
            fetch.sha256,
            fetch.contentType,
            fetch.redirects,
            fetch.dnsMs,
            fetch.connectMs,
            fetch.tlsMs,
            fetch.firstByteMs,
            fetch.downloadMs,
            fetch.reusedConnection,
          ]),
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
    cast: { boolean: (value) => String(value) },
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
  return text.startsWith('-') ? negative(text) : text
}

function negative(text: string): Cell {
  return /^-\d+$/.test(text) ? BigInt(text) : Number(text)
}
