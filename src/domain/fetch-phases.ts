/** Where the time of fetches went, over many of them: each phase by itself, of the tasks that had it. */

import { ByteReader, ByteWriter } from './byte-coding.js'
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

/** What packedWith begins with. */
const FORMAT = 1
/** How a phase is packed. */
const VALUES = 0
const SKETCH = 1

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
    const writer = new ByteWriter()
    writer.varint(FORMAT)
    for (const phase of PHASES) {
      const all = new TimingAccumulator()
      all.merge(this.#times[phase])
      for (const columns of last) all.addColumn(columns[phase])
      pack(writer, all)
    }
    return writer.bytes()
  }
}

function pack(writer: ByteWriter, times: TimingAccumulator): void {
  const values = times.values()
  if (values === null) {
    writer.varint(SKETCH)
    writer.piece(times.toBytes())
    return
  }
  writer.varint(VALUES)
  writer.varint(values.length)
  for (const value of values) writer.double(value)
}

/** What packedWith has packed, to be asked. `moments`: of the same values. Throws an Error for anything else. */
export function unpackPhases(packedPhases: Uint8Array, moments: ByPhase<Moments>): ByPhase<Distribution> {
  const reader = new ByteReader(packedPhases)
  const format = reader.varint()
  if (format !== FORMAT) throw new Error(`phases of format ${format} are not known here`)
  return byPhase((phase) => {
    if (reader.varint() === SKETCH) return distributionFromSketch(LogSketch.fromBytes(reader.piece()), moments[phase])
    const values = Float64Array.from({ length: reader.varint() }, () => reader.double())
    return distributionFromValues(values.sort(), moments[phase])
  })
}
