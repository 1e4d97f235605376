/**
 * Stored bodies by name. A body's name is its SHA-256, so that equal ones are one file; what is being written has the name of
 * the task that it is for, so that whoever finds it knows whose it is.
 */

import type { RunKey } from './ids.js'

/** Within the folder of the bodies: what is being written, and what no commit has taken yet. Neither is ever read. */
export const STAGING_FOLDER = 'tmp'

const SHA256 = /^[0-9a-f]{64}$/
const STAGED = /^([0-9a-f]{32})\.(?:\d{1,3}-)?\d{1,15}\.([0-9a-f]{64})$/

/** 64 lower-case hex digits. */
export function isSha256(text: string): boolean {
  return SHA256.test(text)
}

/** Below the folder of the bodies: 256 folders keep each of them short. */
export function blobPath(sha256: string): string {
  return `${sha256.slice(0, 2)}/${sha256.slice(2)}`
}

/** What the names of a task's staged files begin with. */
export function stagedStem({ run, stage }: { run: RunKey; stage: number }, index: number): string {
  return stage === 0 ? `${run}.${index}` : `${run}.${stage}-${index}`
}

/** A task's body, whole, and not published yet. */
export function stagedName(stem: string, sha256: string): string {
  return `${stem}.${sha256}`
}

/** Whose whole body the staged file is; null for one that is being written, and for what is none of ours. */
export function parseStagedName(name: string): { run: RunKey; sha256: string } | null {
  const found = STAGED.exec(name)
  return found && { run: found[1] as RunKey, sha256: found[2] as string }
}

/** Whether the staged file is of the run, in whatever state. */
export function isStagedOf(run: RunKey, name: string): boolean {
  return name.startsWith(`${run}.`)
}
