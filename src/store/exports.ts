/** The main thread's side of exports: bytes as the thread makes them, a piece ahead of whoever takes them. */

import type { ExportedRun, ExportFormat } from '../domain/exports/export.js'
import type { Reader } from './reader.js'

/** Ends with the file, or rejects where it cannot be had whole. Whoever stops early lets go of it by `return`. */
export async function* readExport(
  reader: Reader,
  { id, key, spec, createdAt, startedAt }: ExportedRun,
  format: ExportFormat,
): AsyncGenerator<Uint8Array, void> {
  const { thread } = reader
  const file = await thread.call('openExport', { id, key, spec, createdAt, startedAt }, format)
  const read = () => {
    const piece = thread.call('readExport', file)
    // Told where it is waited for, if it is.
    piece.catch(() => {})
    return piece
  }
  try {
    let next = read()
    for (let piece = await next; piece !== null; piece = await next) {
      next = read()
      yield piece
    }
  } finally {
    // A thread that is gone has closed it.
    await thread.call('closeExport', file).catch(() => {})
  }
}
