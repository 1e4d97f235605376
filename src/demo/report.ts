/** The demonstration's tables, as text or as JSON. */

import { styleText } from 'node:util'
import Table from 'cli-table3'
import type { Outcome, Row } from './figures.js'
import { lessonOf, type Machine, summaryOf } from './lessons.js'
import { percent, seconds, times } from './units.js'

type Format = Parameters<typeof styleText>[0]

/** Colours a text, or leaves it as it is. */
export type Paint = (format: Format, text: string) => string

export function createPaint(coloured: boolean): Paint {
  // Whether the terminal takes colours has been asked already.
  return coloured ? (format, text) => styleText(format, text, { validateStream: false }) : (_format, text) => text
}

const COLUMNS = ['strategy', 'lanes', 'in\nflight', 'wall', 'service', 'mean\nconc.', 'speedup', 'efficiency', 'CPU']

const SIDES = ['top', 'bottom', 'left', 'right', 'mid'] as const
const JOINTS = ['top-mid', 'top-left', 'top-right', 'bottom-mid', 'bottom-left', 'bottom-right'] as const
const CROSSINGS = ['left-mid', 'mid-mid', 'right-mid'] as const

/** No rules at all: with them the table would be wider than a terminal of 80 columns. */
const NO_RULES = { ...Object.fromEntries([...SIDES, ...JOINTS, ...CROSSINGS].map((name) => [name, ''])), middle: '  ' }

export function tableOf(rows: readonly Row[], paint: Paint): string {
  const table = new Table({
    // A line each, or the colour would run on into the next column.
    head: COLUMNS.map((column) =>
      column
        .split('\n')
        .map((line) => paint('dim', line))
        .join('\n'),
    ),
    colAligns: COLUMNS.map((_, at) => (at === 0 ? 'left' : 'right')),
    rowAligns: ['bottom'],
    chars: NO_RULES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push(cells(row, paint))
  return table.toString()
}

function cells(row: Row, paint: Paint): string[] {
  return [
    row.strategy,
    String(row.lanes),
    String(row.concurrency),
    paint('bold', seconds(row.wallMs)),
    seconds(row.serviceTotalMs),
    row.meanConcurrency.toFixed(2),
    row.speedup === null ? '-' : times(row.speedup),
    row.efficiency === null ? '-' : percent(row.efficiency),
    seconds(row.cpuMs),
  ]
}

export interface ReportOptions {
  machine: Machine
  paint: Paint
}

export function headingText({ title, about }: Pick<Outcome, 'title' | 'about'>, { paint }: ReportOptions): string {
  return `${paint('bold', title)}\n${wrapped(about)}`
}

/** What was measured of one example, whether the outputs were right, and what to learn. */
export function outcomeText(outcome: Outcome, { machine, paint }: ReportOptions): string {
  const { ok, message } = outcome.check
  const verdict = ok ? paint('green', wrapped(`right: ${message}`)) : paint('red', wrapped(`WRONG: ${message}`))
  return [tableOf(outcome.rows, paint), verdict, wrapped(lessonOf(outcome, machine))].join('\n\n')
}

export function closingText(outcomes: readonly Outcome[], { paint }: ReportOptions): string {
  return [paint('bold', 'The fastest'), ...summaryOf(outcomes).map((line) => `  ${line}`)].join('\n')
}

/** What `--json` prints. Times are in milliseconds. */
export function reportJson(outcomes: readonly Outcome[], machine: Machine): string {
  const ok = outcomes.every((outcome) => outcome.check.ok)
  const examples = outcomes.map((outcome) => ({ ...outcome, lesson: lessonOf(outcome, machine) }))
  return JSON.stringify({ ok, machine, examples }, null, 2)
}

/** In lines of at most 80 characters. */
export function wrapped(text: string, width = 80): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line].join('\n')
}
