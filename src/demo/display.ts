/** What is shown while the examples run: bars on a terminal, plain lines elsewhere, nothing where only figures are wanted. */

import type { Writable } from 'node:stream'
import cliProgress from 'cli-progress'
import type { RunProgress } from './api.js'
import type { Measurement } from './figures.js'
import { seconds } from './units.js'

/** One run on the display. */
export interface RunDisplay {
  update(run: RunProgress): void
  /** With what was measured; null where the run did not come to its end. */
  end(measurement: Pick<Measurement, 'wallMs'> | null): void
}

export interface Display {
  print(text: string): void
  /** `label`: such as the strategy. */
  run(label: string): RunDisplay
}

export const silent: Display = {
  print() {},
  run: () => ({ update() {}, end() {} }),
}

const LABEL_WIDTH = 10

/** A line when a run has ended. */
export function lines(out: Writable): Display {
  const print = (text: string) => void out.write(`${text}\n`)
  return {
    print,
    run: (label) => ({
      update() {},
      end(measurement) {
        if (measurement) print(`  ${label.padEnd(LABEL_WIDTH)} done in ${seconds(measurement.wallMs)}`)
      },
    }),
  }
}

/** A bar that fills as tasks end. */
export function bars(out: NodeJS.WriteStream): Display {
  return {
    print: (text) => void out.write(`${text}\n`),
    run: (label) => bar(out, label.padEnd(LABEL_WIDTH)),
  }
}

function bar(out: NodeJS.WriteStream, label: string): RunDisplay {
  const { shades_classic: shades } = cliProgress.Presets
  const format = '  {label} {bar} {value}/{total}  {note}'
  const single = new cliProgress.SingleBar({ format, barsize: 30, hideCursor: true, stream: out }, shades)
  return {
    update({ progress }) {
      // The first state tells how many tasks there are.
      if (!single.isActive) single.start(progress.total, 0, { label, note: '' })
      single.update(progress.done, { note: progress.running > 0 ? `${progress.running} in flight` : '' })
    },
    end(measurement) {
      if (!single.isActive) return
      if (measurement) single.update(single.getTotal(), { note: seconds(measurement.wallMs) })
      single.stop()
    },
  }
}
