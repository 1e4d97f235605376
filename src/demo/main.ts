/** `npm run demo`: the examples of a chapter on concurrency, run by the server and measured on this machine. */

import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { demonstrate } from './demonstration.js'
import { bars, type Display, lines, silent } from './display.js'
import {
  closingText,
  createPaint,
  headingText,
  isRight,
  outcomeText,
  pipelineText,
  pitfallsText,
  type ReportOptions,
  reportJson,
} from './report.js'

const HELP = `Runs the examples of a chapter on concurrency and prints what they took on this machine.

Usage: npm run demo -- [--json]

  --json   print the figures as JSON, and nothing else
  --help   print this`

/** What a shell expects of a process that a signal has ended. */
const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

class Interrupted extends Error {
  override readonly name = 'Interrupted'
  constructor(readonly exitCode: number) {
    super('interrupted')
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, help: { type: 'boolean' } } })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const interrupt = new AbortController()
  for (const [signal, exitCode] of Object.entries(SIGNAL_EXITS)) {
    // However often it comes (npm repeats what the terminal has sent already): cleaning up takes a moment, and ends.
    process.on(signal, () => interrupt.abort(new Interrupted(exitCode)))
  }
  const { stdout } = process
  const options: ReportOptions = {
    machine: { cores: availableParallelism() },
    // Asks NO_COLOR, FORCE_COLOR and TERM as well.
    paint: createPaint(stdout.isTTY === true && stdout.hasColors()),
  }
  const display = values.json ? silent : stdout.isTTY ? bars(stdout) : lines(stdout)
  return run(display, interrupt.signal, { ...options, json: values.json === true })
}

async function run(display: Display, signal: AbortSignal, options: ReportOptions & { json: boolean }): Promise<number> {
  display.print(`Heddle, measured on this machine: ${options.machine.cores} cores, Node.js ${process.version}`)
  const say = (text: string) => display.print(`\n${text}`)
  const all = await demonstrate({
    entry: fileURLToPath(new URL('../main.js', import.meta.url)),
    machine: options.machine,
    display,
    onBegin: (heading) => say(`${headingText(heading, options)}\n`),
    onOutcome: (outcome) => say(outcomeText(outcome, options)),
    onPipeline: (outcome) => say(pipelineText(outcome, options)),
    onPitfalls: (pitfalls) => say(pitfallsText(pitfalls, options)),
    signal,
  })
  say(closingText(all, options))
  if (options.json) console.log(reportJson(all, options.machine))
  return isRight(all) ? 0 : 1
}

main().then(
  (exitCode) => {
    process.exitCode = exitCode
  },
  (error: unknown) => {
    if (!(error instanceof Interrupted)) console.error(error instanceof Error ? error.message : error)
    process.exitCode = error instanceof Interrupted ? error.exitCode : 1
  },
)
