/** The notes in a file of the data folder. Writing is synchronous and goes to the page cache: some microseconds, as a lane waits for it. */

import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import type { NoteFile } from './notes.js'

/** Of its lines all are ASCII. */
export class DiskNoteFile implements NoteFile {
  #fd: number | null = null
  #size = 0
  #isTold = false

  /** `onTrouble`: told once of what cannot be read or written, and again where that has worked in between. */
  constructor(
    private readonly path: string,
    private readonly onTrouble: (error: unknown) => void,
  ) {}

  get size(): number {
    return this.#size
  }

  read(): string | null {
    try {
      return readFileSync(this.path, 'latin1')
    } catch (error) {
      if (!isMissing(error)) this.#tell(error)
      return null
    }
  }

  append(lines: string): boolean {
    if (this.#fd === null) return false
    try {
      this.#write(this.#fd, lines)
      return true
    } catch (error) {
      return this.#fail(error)
    }
  }

  replace(text: string): boolean {
    this.#close()
    const next = `${this.path}.next`
    try {
      const fd = openSync(next, 'w', 0o600)
      this.#fd = fd
      this.#size = 0
      this.#write(fd, text)
      renameSync(next, this.path)
      this.#isTold = false
      return true
    } catch (error) {
      return this.#fail(error)
    }
  }

  #write(fd: number, text: string): void {
    const written = writeSync(fd, text, null, 'latin1')
    this.#size += written
    if (written < text.length)
      throw new Error(`only ${written} of ${text.length} bytes could be written to ${this.path}`)
  }

  /** What is half written is worse than nothing: the next start would take it for all. */
  #fail(error: unknown): false {
    this.#close()
    for (const path of [this.path, `${this.path}.next`]) {
      try {
        rmSync(path, { force: true })
      } catch {
        // The folder cannot be written to: that is told below.
      }
    }
    this.#tell(error)
    return false
  }

  #close(): void {
    if (this.#fd !== null) closeSync(this.#fd)
    this.#fd = null
  }

  #tell(error: unknown): void {
    if (!this.#isTold) this.onTrouble(error)
    this.#isTold = true
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
