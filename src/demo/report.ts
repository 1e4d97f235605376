/** The demonstration's tables, as text or as JSON. */

import { styleText } from 'node:util'
import Table from 'cli-table3'
import type { Demonstration, Heading } from './demonstration.js'
import type { Check, Outcome, Row } from './figures.js'
import { type LaneTimeline, lanesPicture, type PictureOptions } from './lanes-picture.js'
import { lessonOf, type Machine, summaryOf } from './lessons.js'
import type { PipelineOutcome } from './pipeline.js'
import type { Pitfall } from './pitfalls.js'
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

export function headingText({ title, about }: Heading, { paint }: ReportOptions): string {
  return `${paint('bold', title)}\n${wrapped(about)}`
}

/** What was measured of one example, whether the outputs were right, what ran when, and what to learn. */
export function outcomeText(outcome: Outcome, { machine, paint }: ReportOptions): string {
  const pictures = outcome.isPictured ? picturesOf(outcome.rows, paint) : []
  const parts = [
    tableOf(outcome.rows, paint),
    checkText(outcome.check, paint),
    ...pictures,
    wrapped(lessonOf(outcome, machine)),
  ]
  return parts.join('\n\n')
}

export function pipelineText(outcome: PipelineOutcome, { paint }: ReportOptions): string {
  const { apart, wallMs, stages, check, timeline } = outcome
  const apartMs = apart.fetchMs + apart.computeMs
  const lines = [
    `  one after the other  ${seconds(apart.fetchMs)} + ${seconds(apart.computeMs)} = ${paint('bold', seconds(apartMs))}`,
    `  as a pipeline        ${paint('bold', seconds(wallMs))}`,
  ]
  const ways = stages.map(
    ({ name, effectiveStrategy, lanes }) =>
      `${name} under ${effectiveStrategy}, ${lanes} ${lanes === 1 ? 'lane' : 'lanes'}`,
  )
  const lesson =
    wallMs < apartMs
      ? `An item is computed with as soon as it is there: the stages overlap, and it took ${times(wallMs / apartMs)} of the time.`
      : 'This time the stages gained nothing by overlapping.'
  return [
    lines.join('\n'),
    wrapped(`${ways.join('; ')}.`),
    checkText(check, paint),
    pictureText('pipeline', timeline, { paint }),
    wrapped(lesson),
  ].join('\n\n')
}

export function pitfallsText(pitfalls: readonly Pitfall[], { paint }: ReportOptions): string {
  return pitfalls
    .map(({ title, findings, diagnostics, check }) => {
      const said = diagnostics.map(({ code, message }) => wrapped(`${paint('yellow', code)}: ${message}`))
      return [
        paint('bold', title),
        ...findings.map((finding) => wrapped(finding)),
        ...said,
        checkText(check, paint),
      ].join('\n')
    })
    .join('\n\n')
}

function checkText({ ok, message }: Check, paint: Paint): string {
  return ok ? paint('green', wrapped(`right: ${message}`)) : paint('red', wrapped(`WRONG: ${message}`))
}

/** Rows for each task where so many are in flight at most: a picture is to fit onto a screen. */
const MAX_SLOTS = 5

/** All to one scale: what is twice as fast is half as long. */
function picturesOf(rows: readonly Row[], paint: Paint): string[] {
  const wallMs = Math.max(...rows.map((row) => row.wallMs))
  return rows.map(({ strategy, timeline, concurrency }) => {
    const slots = concurrency <= MAX_SLOTS ? MAX_SLOTS : 0
    return pictureText(strategy, timeline, { paint, slots, wallMs })
  })
}

function pictureText(
  title: string,
  timeline: readonly LaneTimeline[],
  { paint, ...options }: { paint: Paint } & PictureOptions,
): string {
  return `${paint('dim', title)}\n${lanesPicture(timeline, options)}`
}

export function closingText({ outcomes }: Pick<Demonstration, 'outcomes'>, { paint }: ReportOptions): string {
  return [paint('bold', 'The fastest'), ...summaryOf(outcomes).map((line) => `  ${line}`)].join('\n')
}

/** Whether all that was to be right is. */
export function isRight({ outcomes, pipeline, pitfalls }: Demonstration): boolean {
  return [...outcomes, pipeline, ...pitfalls].every(({ check }) => check.ok)
}

/** What `--json` prints. Times are in milliseconds. */
export function reportJson(all: Demonstration, machine: Machine): string {
  const examples = all.outcomes.map((outcome) => ({ ...outcome, lesson: lessonOf(outcome, machine) }))
  const { pipeline, pitfalls } = all
  return JSON.stringify({ ok: isRight(all), machine, examples, pipeline, pitfalls }, null, 2)
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
