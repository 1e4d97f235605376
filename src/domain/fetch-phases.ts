/** Where the time of fetches went, over many of them: each phase by itself, of the tasks that had it. */

import { LogSketch } from './sketch.js'
import {
  addColumn,
  type Distribution,
  distributionFromSketch,
  distributionFromValues,
  emptyMoments,
  type Moments,
  mergeMoments,
  TimingAccumulator,
} from './timing.js'

/** In the order in which a request goes through them. */
export const PHASES = ['dns', 'connect', 'tls', 'firstByte', 'download'] as const
export type Phase = (typeof PHASES)[number]

/** Something for each phase. */
export type ByPhase<T> = Record<Phase, T>

export function byPhase<T>(make: (phase: Phase) => T): ByPhase<T> {
  return {
    dns: make('dns'),
    connect: make('connect'),
    tls: make('tls'),
    firstByte: make('firstByte'),
    download: make('download'),
  }
}

export function noPhases(): ByPhase<Moments> {
  return byPhase(emptyMoments)
}

export function momentsOf(columns: ByPhase<Float64Array>): ByPhase<Moments> {
  return byPhase((phase) => {
    const moments = emptyMoments()
    addColumn(moments, columns[phase])
    return moments
  })
}

export function mergePhases(a: ByPhase<Moments>, b: ByPhase<Moments>): ByPhase<Moments> {
  return byPhase((phase) => mergeMoments(a[phase], b[phase]))
}

/** How a phase is packed. */
const VALUES = 0
const SKETCH = 1
const FORMAT = 1
/** How it is packed, and how many bytes follow. */
const HEAD_BYTES = 5
const DOUBLE_BYTES = 8

/** The times of all phases, gathered. */
export class PhaseTimes {
  readonly #times = byPhase(() => new TimingAccumulator())

  add(columns: ByPhase<Float64Array>): void {
    for (const phase of PHASES) this.#times[phase].addColumn(columns[phase])
  }

  /** Of what is held now. */
  distributions(): ByPhase<Distribution> {
    return byPhase((phase) => this.#times[phase].distribution())
  }

  /**
   * For unpackPhases, these last columns included. Of a phase that few tasks had, as connections are opened for the first ones
   * alone, all values, for a sketch would take their exactness away.
   */
  packedWith(last: readonly ByPhase<Float64Array>[]): Uint8Array {
    const parts = PHASES.map((phase) => {
      const all = new TimingAccumulator()
      all.merge(this.#times[phase])
      for (const columns of last) all.addColumn(columns[phase])
      return packed(all)
    })
    return Buffer.concat([Buffer.of(FORMAT), ...parts])
  }
}

function packed(times: TimingAccumulator): Buffer {
  const values = times.values()
  const bytes = values ? toBytes(values) : times.toBytes()
  const head = Buffer.alloc(HEAD_BYTES)
  head.writeUInt8(values ? VALUES : SKETCH, 0)
  head.writeUInt32LE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

function toBytes(values: Float64Array): Buffer {
  const bytes = Buffer.alloc(values.length * DOUBLE_BYTES)
  values.forEach((value, at) => {
    bytes.writeDoubleLE(value, at * DOUBLE_BYTES)
  })
  return bytes
}

/** What packedWith has packed, to be asked. `moments`: of the same values. Throws an Error for anything else. */
export function unpackPhases(packedPhases: Uint8Array, moments: ByPhase<Moments>): ByPhase<Distribution> {
  const bytes = Buffer.from(packedPhases.buffer, packedPhases.byteOffset, packedPhases.byteLength)
  if (bytes[0] !== FORMAT) throw new Error(`phases of format ${bytes[0]} are not known here`)
  let begin = 1
  return byPhase((phase) => {
    const end = begin + HEAD_BYTES + bytes.readUInt32LE(begin + 1)
    const part = bytes.subarray(begin + HEAD_BYTES, end)
    const isSketch = bytes[begin] === SKETCH
    begin = end
    if (isSketch) return distributionFromSketch(LogSketch.fromBytes(part), moments[phase])
    const values = Float64Array.from({ length: part.length / DOUBLE_BYTES }, (_, at) =>
      part.readDoubleLE(at * DOUBLE_BYTES),
    )
    return distributionFromValues(values.sort(), moments[phase])
  })
}
