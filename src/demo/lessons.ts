/** What to learn from an example: sentences that follow from its figures, and say the opposite where those do. */

import { fastest, type Outcome, type Row, type Strategy, type Work } from './figures.js'
import { percent, seconds, times } from './units.js'

/** Below it a run counts as no faster: two runs of the same thing differ by less than this. */
const CLEARLY = 1.15

export interface Machine {
  cores: number
}

export function lessonOf({ work, rows }: Outcome, machine: Machine): string {
  const row = (strategy: Strategy) => rows.find((one) => one.strategy === strategy)
  const [sequential, asynchronous] = [row('SEQUENTIAL'), row('ASYNC')]
  if (sequential === undefined || asynchronous === undefined) {
    return 'Without both SEQUENTIAL and ASYNC there is nothing to compare.'
  }
  const parallel = rows.filter(({ strategy }) => strategy === 'THREADS' || strategy === 'PROCESSES')
  const sentences = [whereTheTimeGoes(sequential, work), oneEventLoop(asynchronous, { sequential, work })]
  if (parallel.length > 0) sentences.push(...manyLanes(parallel, asynchronous, { work, machine }))
  return sentences.join(' ')
}

/** Computing that had a core for less than this share of its time had to share it. */
const UNDISTURBED = 0.8

/** The share of the service time in which a core was busy with it. */
function busyShare({ cpuMs, serviceTotalMs }: Row): number {
  return serviceTotalMs > 0 ? Math.min(1, cpuMs / serviceTotalMs) : 0
}

function whereTheTimeGoes(sequential: Row, work: Work): string {
  const busy = busyShare(sequential)
  const fact = `One at a time it took ${seconds(sequential.wallMs)}`
  if (work === 'WAITING') return `${fact}, and a core was busy for ${percent(busy)} of it: the rest was waiting.`
  if (busy >= UNDISTURBED) return `${fact}, and a core was busy for ${percent(busy)} of it.`
  return `${fact}, but had a core for only ${percent(busy)} of it: something else keeps this machine busy, and blurs the figures.`
}

function oneEventLoop(asynchronous: Row, { sequential, work }: { sequential: Row; work: Work }): string {
  const speedup = sequential.wallMs / asynchronous.wallMs
  const fact = `With ${asynchronous.concurrency} in flight on one event loop it was ${times(speedup)} as fast`
  if (speedup >= CLEARLY) return work === 'WAITING' ? `${fact}: waits overlap without a second core.` : `${fact}.`
  return work === 'WAITING' ? `${fact}: no gain.` : `${fact}, no gain: an event loop computes one thing at a time.`
}

function manyLanes(
  parallel: readonly Row[],
  asynchronous: Row,
  { work, machine }: { work: Work; machine: Machine },
): string[] {
  const best = fastest(parallel)
  if (best === undefined) return []
  const gainOf = ({ wallMs }: Row) => asynchronous.wallMs / wallMs
  const isGain = (row: Row) => gainOf(row) >= CLEARLY
  const named = (rows: readonly Row[]) =>
    rows
      .map(({ strategy, speedup, wallMs }) => `${strategy} ${speedup === null ? seconds(wallMs) : times(speedup)}`)
      .join(', ')
  const [gainers, others] = [parallel.filter(isGain), parallel.filter((row) => !isGain(row))]
  const cores = machine.cores === 1 ? '1 core' : `${machine.cores} cores`
  const busy = busyShare(best)
  return [
    isGain(best)
      ? `Lanes of their own used the ${cores} (${named(gainers)}): ${best.strategy} was ${times(gainOf(best))} as fast as ASYNC.`
      : `Lanes of their own gained nothing over the event loop here (${named(others)}; ${cores}).`,
    ...(isGain(best) && others.length > 0 ? [`This time ${named(others)} gained nothing.`] : []),
    ...(work === 'COMPUTING' && busy < UNDISTURBED
      ? [`But the lanes of ${best.strategy} had a core for only ${percent(busy)} of their time: they shared it.`]
      : []),
  ]
}

/** One line over all examples: which strategy was the fastest at what. */
export function summaryOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap((outcome) => {
    const best = fastest(outcome.rows)
    if (best === undefined) return []
    const speedup = best.strategy === 'SEQUENTIAL' ? null : best.speedup
    const gain = speedup === null ? '' : `, ${times(speedup)} as fast as SEQUENTIAL`
    return [`${outcome.title}: ${best.strategy} in ${seconds(best.wallMs)}${gain}`]
  })
}
