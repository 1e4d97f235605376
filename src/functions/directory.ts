/** Loads the functions of a folder, and says of each that cannot be loaded why. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** What is wrong with a function, for whoever starts the server. */
export interface FunctionProblem {
  /** The file, or the folder where that is what cannot be read; `builtin` for what is built in. */
  file: string
  /** In a file that exports several: which one. */
  function: string | null
  reason: string
}

/** What a file exports, unchecked. */
export interface LoadedExport {
  file: string
  /** Place in the exported array; null where the export is no array. */
  place: number | null
  value: unknown
}

export interface LoadedDirectory {
  exports: LoadedExport[]
  problems: FunctionProblem[]
}

/** The default exports of each .js and .mjs file, in the order of the files' names. Never rejects. */
export async function loadDirectory(directory: string): Promise<LoadedDirectory> {
  const loaded: LoadedDirectory = { exports: [], problems: [] }
  let names: string[]
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    names = entries.filter((entry) => !entry.isDirectory() && /\.m?js$/.test(entry.name)).map((entry) => entry.name)
  } catch (error) {
    return { exports: [], problems: [{ file: directory, function: null, reason: `cannot be read: ${said(error)}` }] }
  }
  for (const name of names.sort()) await loadFile(join(directory, name), loaded)
  return loaded
}

async function loadFile(file: string, loaded: LoadedDirectory): Promise<void> {
  const refuse = (reason: string) => loaded.problems.push({ file, function: null, reason })
  try {
    const module = (await import(pathToFileURL(file).href)) as { default?: unknown }
    if (module.default === undefined) refuse('has no default export')
    else if (!Array.isArray(module.default)) loaded.exports.push({ file, place: null, value: module.default })
    else if (module.default.length === 0) refuse('exports an empty array')
    else loaded.exports.push(...module.default.map((value: unknown, place) => ({ file, place, value })))
  } catch (error) {
    refuse(`cannot be loaded: ${said(error)}`)
  }
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const reason = `${error.name}: ${error.message}`
  if (!(error instanceof SyntaxError)) return reason
  // Of a CommonJS file the stack begins with the place; of a module nothing in the error has it.
  const line = /^.+:(\d+)\n/.exec(error.stack ?? '')?.[1]
  return line === undefined ? `${reason} (node --check tells where)` : `${reason} (line ${line})`
}
