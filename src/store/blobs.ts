/**
 * The files of stored bodies, as the writer's thread sees them: it alone publishes and removes, one after the other, so that
 * neither ever meets the other half way.
 */

import { copyFileSync, linkSync, mkdirSync, readdirSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { blobPath, STAGING_FOLDER } from '../domain/blob.js'
import { errorCodeOf } from './errors.js'

/** What a file system answers that has no hard links. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

/** The owner's alone: bodies can be anything. */
const FOLDER_MODE = 0o700

export class BlobFiles {
  readonly #dir: string
  readonly #stagingDir: string
  readonly #link: (from: string, to: string) => void

  constructor(dir: string, link: (from: string, to: string) => void = linkSync) {
    this.#dir = dir
    this.#stagingDir = join(dir, STAGING_FOLDER)
    this.#link = link
  }

  prepare(): void {
    mkdirSync(this.#stagingDir, { recursive: true, mode: FOLDER_MODE })
  }

  /**
   * Gives a staged body its final name, beside the staged one: until the commit is sure, the staged one tells the next start
   * what to look at. False where there is neither.
   */
  publish(staged: string, { sha256, bytes }: { sha256: string; bytes: number }): boolean {
    const from = join(this.#stagingDir, staged)
    const to = join(this.#dir, blobPath(sha256))
    for (let again = false; ; again = true) {
      try {
        this.#link(from, to)
        return true
      } catch (error) {
        const code = errorCodeOf(error)
        if (code === 'EEXIST' || code === 'ENOENT') {
          // There is one copy of equal bodies. A power cut may have left less of it than it had.
          if (sizeOf(to) === bytes) return true
          if (sizeOf(from) === null) return false
        }
        if (code === 'ENOENT' && !again) mkdirSync(dirname(to), { recursive: true, mode: FOLDER_MODE })
        else if (code === 'EEXIST' || NO_LINKS.has(code)) return this.#copy(from, to)
        else throw error
      }
    }
  }

  /** Whether it has its final name, and is whole. */
  has({ sha256, bytes }: { sha256: string; bytes: number }): boolean {
    return sizeOf(join(this.#dir, blobPath(sha256))) === bytes
  }

  remove(sha256: string): void {
    unlinkIfThere(join(this.#dir, blobPath(sha256)))
  }

  /** The names of what is staged. */
  staged(): string[] {
    return readdirSync(this.#stagingDir)
  }

  stagedBytes(name: string): number | null {
    return sizeOf(join(this.#stagingDir, name))
  }

  unstage(name: string): void {
    unlinkIfThere(join(this.#stagingDir, name))
  }

  /** Under the final name there is never a part of it. */
  #copy(from: string, to: string): true {
    const part = `${from}.part`
    mkdirSync(dirname(to), { recursive: true, mode: FOLDER_MODE })
    copyFileSync(from, part)
    renameSync(part, to)
    return true
  }
}

/** Null where there is no such file. */
function sizeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.size ?? null
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw error
  }
}
