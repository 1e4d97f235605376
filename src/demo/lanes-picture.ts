/** The picture of concurrency in characters: a row a lane, time from left to right, drawn from what was measured. */

import { percent, seconds } from './units.js'

/** As `timeline { lane busyFraction spans { startMs endMs status tasks } }` answers. */
export interface LaneTimeline {
  lane: string
  busyFraction: number
  spans: readonly LaneSpan[]
}

export interface LaneSpan {
  startMs: number
  endMs: number
  status: string
  tasks: number
}

export interface PictureOptions {
  /** Cells of the time axis: 60 if left out. */
  columns?: number
  /** Rows at most for the tasks that one lane had in service at the same time, its own row aside; 0, if left out: none. */
  slots?: number
  /** What the axis shows, from the first start on: to draw several runs to one scale. The run's own wall time if left out. */
  wallMs?: number
}

const IDLE = '░'
const PARTLY = '▒'
const BUSY = '█'
const FAILED = '×'

/** A cell is as good as busy from here on, and as good as idle below: rounding, and the microseconds between two tasks. */
const BUSY_SHARE = 0.9
const IDLE_SHARE = 0.01
/** What two spans may overlap, as a share of a cell, before anybody could see it. */
const UNSEEN_SHARE = 0.1
/** Of a division, in cells. */
const ROUNDING = 1e-6
const PERCENT_WIDTH = '100 %'.length
const LETTERS = 26

/** One row: what was busy, and what it is called. */
interface PictureRow {
  label: string
  spans: readonly LaneSpan[]
  busyFraction: number | null
}

interface Axis {
  fromMs: number
  cellMs: number
  columns: number
}

/** Lines for all lanes, an axis and, where there is something to explain, a legend; a single line where nothing has run. */
export function lanesPicture(lanes: readonly LaneTimeline[], options: PictureOptions = {}): string {
  const spans = lanes.flatMap((lane) => lane.spans)
  if (spans.length === 0) return 'nothing has run'
  const { columns = 60, slots = 0 } = options
  const fromMs = spans.reduce((first, { startMs }) => Math.min(first, startMs), Number.POSITIVE_INFINITY)
  const untilMs = spans.reduce((last, { endMs }) => Math.max(last, endMs), Number.NEGATIVE_INFINITY)
  const wallMs = options.wallMs ?? untilMs - fromMs
  const axis = { fromMs, cellMs: wallMs / columns, columns }
  const rows = lanes.flatMap((lane) => [laneRow(lane), ...slotRows(lane, { axis, slots })])
  const width = Math.max(...rows.map(({ label }) => label.length))
  const lines = rows.map((row) => lineOf(row, { axis, width }))
  return [...lines, axisLine(wallMs, { width, columns }), ...legend(lines)].join('\n')
}

function laneRow({ lane, spans, busyFraction }: LaneTimeline): PictureRow {
  return { label: lane, spans, busyFraction }
}

function lineOf({ label, spans, busyFraction }: PictureRow, { axis, width }: { axis: Axis; width: number }): string {
  const share = busyFraction === null ? '' : `  ${percent(busyFraction).padStart(PERCENT_WIDTH)}`
  return `${label.padEnd(width)}  ${cellsOf(spans, axis)}${share}`
}

/** The cells of some spans; those that lie beyond the axis are not drawn. */
export function cellsOf(spans: readonly LaneSpan[], axis: Axis): string {
  const shares = busyShares(spans, axis)
  const cells = Array.from<number, string>(shares, cellOf)
  for (const { status, endMs } of spans) {
    const cell = lastCell(endMs, axis)
    if (status === 'FAILED' && cell < axis.columns) cells[cell] = FAILED
  }
  return cells.join('')
}

function cellOf(share: number): string {
  if (share >= BUSY_SHARE) return BUSY
  return share < IDLE_SHARE ? IDLE : PARTLY
}

/** What share of each cell something was in service; what several were counts once. */
function busyShares(spans: readonly LaneSpan[], { fromMs, cellMs, columns }: Axis): number[] {
  const shares = new Array<number>(columns).fill(0)
  // Without any width all there is happened in every cell.
  if (cellMs <= 0) return shares.fill(1)
  let drawnMs = Number.NEGATIVE_INFINITY
  for (const { startMs, endMs } of byStart(spans)) {
    const begin = (Math.max(startMs, drawnMs) - fromMs) / cellMs
    const end = Math.min((endMs - fromMs) / cellMs, columns)
    for (let cell = Math.floor(begin); cell < end; cell += 1) {
      shares[cell]! += Math.min(end, cell + 1) - Math.max(begin, cell)
    }
    drawnMs = Math.max(drawnMs, endMs)
  }
  return shares
}

/** The cell in which a moment lies; an end at a border belongs to the cell before. */
function lastCell(endMs: number, { fromMs, cellMs }: Axis): number {
  return cellMs <= 0 ? 0 : Math.max(0, Math.ceil((endMs - fromMs) / cellMs - ROUNDING) - 1)
}

/** Of a lane that had several tasks in service at a time: a row for each of them, and one for those that have none. */
function slotRows({ spans }: LaneTimeline, { axis, slots }: { axis: Axis; slots: number }): PictureRow[] {
  if (slots === 0) return []
  const rows = spansBySlot(spans, axis.cellMs * UNSEEN_SHARE)
  if (rows.length < 2) return []
  const isTaskEach = rows.every((row) => row.length === 1 && row[0]?.tasks === 1)
  const nameOf = (slot: number) =>
    isTaskEach && slot < LETTERS ? `Task ${String.fromCharCode(65 + slot)}` : `slot ${slot + 1}`
  // A row that stands for one is no shorter than that one.
  const shown = rows.length <= slots ? rows.length : Math.max(0, slots - 1)
  const named = rows
    .slice(0, shown)
    .map((row, slot) => ({ label: `  ${nameOf(slot)}`, spans: row, busyFraction: null }))
  const rest = rows.slice(shown)
  return rest.length === 0
    ? named
    : [...named, { label: `  ${rest.length} more`, spans: rest.flat(), busyFraction: null }]
}

/** Each span goes to the first slot that is free when it starts. */
export function spansBySlot(spans: readonly LaneSpan[], unseenMs = 0): LaneSpan[][] {
  const slots: { spans: LaneSpan[]; freeMs: number }[] = []
  for (const span of byStart(spans)) {
    const free = slots.find(({ freeMs }) => freeMs <= span.startMs + unseenMs)
    if (free) {
      free.spans.push(span)
      free.freeMs = Math.max(free.freeMs, span.endMs)
    } else {
      slots.push({ spans: [span], freeMs: span.endMs })
    }
  }
  return slots.map((slot) => slot.spans)
}

function byStart(spans: readonly LaneSpan[]): LaneSpan[] {
  return spans.toSorted((a, b) => a.startMs - b.startMs)
}

function axisLine(wallMs: number, { width, columns }: { width: number; columns: number }): string {
  const [begin, end] = ['0 s', seconds(wallMs)]
  return `${' '.repeat(width)}  ${begin}${end.padStart(Math.max(end.length + 1, columns - begin.length))}`
}

function legend(lines: readonly string[]): string[] {
  return lines.some((line) => line.includes(FAILED)) ? [`${FAILED} a task failed`] : []
}
