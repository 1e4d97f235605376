/**
 * A body on its way to the disk: gathered in memory only so far as the disk is behind. It gets the name that says it is
 * complete when it is; whatever ends it before leaves nothing.
 */

import fs from 'node:fs'
import { threadId } from 'node:worker_threads'
import { stagedName } from '../domain/blob.js'
import { TaskFailure } from '../domain/errors.js'
import { saysDiskIsFull } from '../domain/storage.js'
import { Pieces } from './pieces.js'

export interface BodyFileListener {
  /** After a write that answered false: more may come. */
  onFileDrain(): void
  /** Said once, and nothing after it. The file is gone. */
  onFileFailure(failure: TaskFailure): void
}

interface Ending {
  path: string
  written(): void
}

/** A body that is smaller is written when it is whole, with as few calls as there can be. */
const WRITE_BYTES = 65_536
/** What may wait while the disk is at work; past it the sender has to wait too. */
const MAX_HELD_BYTES = 131_072

/** Two attempts at one task never write to the same file, also not where the lane of the first one died. */
let files = 0

export class BodyFile {
  readonly #stem: string
  readonly #partPath: string
  readonly #listener: BodyFileListener
  readonly #held = new Pieces()
  #fd: number | null = null
  /** The name that the file has on disk; null where it has none. */
  #path: string | null = null
  /** The disk is at work for it. */
  #busy = false
  /** A write has answered false. */
  #full = false
  /** Its name when it is whole, and who is told. */
  #end: Ending | null = null
  /** Nobody wants it any more. */
  #dropped = false

  /** `stem`: the path of the file, without what its state adds. */
  constructor(stem: string, listener: BodyFileListener) {
    files += 1
    this.#stem = stem
    this.#partPath = `${stem}.${process.pid}-${threadId}-${files}.part`
    this.#listener = listener
  }

  /** False: no more until onFileDrain. */
  write(piece: Buffer): boolean {
    if (this.#dropped) return true
    this.#held.add(piece)
    this.#work()
    this.#full = this.#busy && this.#held.bytes >= MAX_HELD_BYTES
    return !this.#full
  }

  /** The body is whole: `written` is called when it is in the file, and the file has its name. */
  finish(sha256: string, written: () => void): void {
    this.#end = { path: stagedName(this.#stem, sha256), written }
    this.#work()
  }

  /** Removes what there is, as soon as the disk is done with it. Nothing more is said. */
  drop(): void {
    if (this.#dropped) return
    this.#dropped = true
    this.#held.take()
    this.#work()
  }

  /** The next thing that the disk has to do; one at a time. */
  #work(): void {
    if (this.#busy) return
    if (this.#dropped) this.#remove()
    else if (this.#held.bytes > 0 && (this.#held.bytes >= WRITE_BYTES || this.#end !== null)) this.#writeHeld()
    else if (this.#end !== null) this.#complete(this.#end)
  }

  #writeHeld(): void {
    if (this.#fd === null) {
      this.#open()
      return
    }
    this.#writeAll(this.#fd, this.#held.take())
  }

  #open(): void {
    this.#busy = true
    fs.open(this.#partPath, 'wx', 0o600, (error, fd) => {
      if (error === null) {
        this.#fd = fd
        this.#path = this.#partPath
      }
      this.#done(error)
    })
  }

  #writeAll(fd: number, pieces: Buffer[]): void {
    this.#busy = true
    fs.writev(fd, pieces, (error, written) => {
      const left = error === null ? unwritten(pieces, written) : []
      // A disk that is filling up takes a part, and says why only when it is asked again.
      if (left.length > 0 && !this.#dropped) this.#writeAll(fd, left)
      else this.#done(error)
    })
  }

  #complete({ path, written }: Ending): void {
    if (this.#path === path) {
      this.#end = null
      written()
    } else if (this.#path === null) this.#open()
    else if (this.#fd !== null) this.#close()
    else this.#rename(path)
  }

  #close(): void {
    const fd = this.#fd as number
    this.#fd = null
    this.#busy = true
    fs.close(fd, (error) => this.#done(error ?? null))
  }

  #rename(path: string): void {
    this.#busy = true
    fs.rename(this.#partPath, path, (error) => {
      if (error === null) this.#path = path
      this.#done(error)
    })
  }

  #remove(): void {
    if (this.#fd !== null) {
      this.#close()
      return
    }
    if (this.#path === null) return
    const path = this.#path
    this.#path = null
    // What cannot be removed is found by its name when the run has ended, or at the next start.
    fs.unlink(path, () => {})
  }

  #done(error: NodeJS.ErrnoException | null): void {
    this.#busy = false
    if (error !== null && !this.#dropped) {
      this.drop()
      this.#listener.onFileFailure(notStored(error))
      return
    }
    this.#work()
    if (!this.#full || this.#dropped || (this.#busy && this.#held.bytes >= MAX_HELD_BYTES)) return
    this.#full = false
    this.#listener.onFileDrain()
  }
}

/** What is left of the pieces after so many bytes. */
function unwritten(pieces: readonly Buffer[], written: number): Buffer[] {
  let skip = written
  const left: Buffer[] = []
  for (const piece of pieces) {
    if (skip < piece.length) left.push(skip === 0 ? piece : piece.subarray(skip))
    skip = Math.max(0, skip - piece.length)
  }
  return left
}

function notStored({ code, message }: NodeJS.ErrnoException): TaskFailure {
  const reason = `the body could not be stored: ${REASONS[code ?? ''] ?? code ?? message}`
  return new TaskFailure('BODY_NOT_STORED', reason, saysDiskIsFull(code ?? ''))
}

/** Without the paths that the system's own messages name. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'the quota of the disk is used up (EDQUOT)',
  EACCES: 'its folder cannot be written to (EACCES)',
  EPERM: 'its folder cannot be written to (EPERM)',
  EROFS: 'the disk is read-only (EROFS)',
  ENOENT: 'its folder is not there (ENOENT)',
  EMFILE: 'too many open files (EMFILE)',
  ENFILE: 'too many open files (ENFILE)',
  EFBIG: 'it is larger than a file may be (EFBIG)',
  EIO: 'the disk has failed (EIO)',
}
