/** The key that links are signed with: made once for a folder of data, so that a link outlives a restart. */

import { randomBytes } from 'node:crypto'
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

const BYTES = 32

/** Reads the key, or makes one where there is none that is whole. Throws where it cannot be written down. */
export function linkKey(path: string): Uint8Array {
  const known = readKey(path)
  if (known !== null) return known
  const key = randomBytes(BYTES)
  const draft = `${path}.part`
  writeFileSync(draft, key, { mode: 0o600 })
  // One that was there already has kept its rights.
  chmodSync(draft, 0o600)
  renameSync(draft, path)
  return key
}

/** One without a file: its links end with the process. */
export function passingLinkKey(): Uint8Array {
  return randomBytes(BYTES)
}

function readKey(path: string): Uint8Array | null {
  try {
    const key = readFileSync(path)
    return key.length === BYTES ? key : null
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
