/** Structured logs: one JSON object a line, or readable lines where a person looks on. */

import { type DestinationStream, type Logger, pino } from 'pino'
import { isColorSupported, prettyFactory } from 'pino-pretty'

export type Log = Logger

export const LogLevel = {
  FATAL: 'fatal',
  ERROR: 'error',
  WARN: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
  TRACE: 'trace',
  SILENT: 'silent',
} as const
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel]

/** Of lines that cannot be written now. */
const MAX_WAITING_BYTES = 1024 * 1024

export interface LogOptions {
  /** The least that is written. */
  level: LogLevel
  /** Readable lines instead of JSON; if left out, where the standard output is a terminal. */
  pretty?: boolean
  /** Where lines go; the standard output if left out. */
  destination?: DestinationStream
}

/** Instants are ISO 8601, levels are words, errors come with their stack. */
export function createLog(options: LogOptions): Log {
  const settings = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  const destination = options.destination ?? standardOutput()
  const isPretty = options.pretty ?? process.stdout.isTTY === true
  return pino(settings, isPretty ? readable(destination) : destination)
}

/**
 * A line that cannot be written is no reason to end: where the disk of the log is full or its terminal gone, lines wait, and those
 * past the limit are lost. Without pino's flush, which tries for ever; each line is written as it comes.
 */
function standardOutput(): DestinationStream {
  const destination = pino.destination({ dest: 1, sync: true, maxLength: MAX_WAITING_BYTES })
  destination.on('error', () => {})
  return { write: (line) => void destination.write(line) }
}

/** In this thread, not in one of pino's own: the last lines of a process must not be lost. */
function readable(destination: DestinationStream): DestinationStream {
  const toText = prettyFactory({ colorize: isColorSupported, translateTime: 'SYS:HH:MM:ss.l' })
  return { write: (line) => destination.write(toText(line) ?? '') }
}
