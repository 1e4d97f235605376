import { line } from '../../src/domain/notes.js'
import type { NoteFile } from '../../src/store/notes.js'

/** Notes that outlive their server, as a file does. */
export class MemoryNoteFile implements NoteFile {
  text: string | null = line.head(0)
  /** With true nothing can be written. */
  isFull = false
  replaced = 0

  get size(): number {
    return this.text?.length ?? 0
  }

  read(): string | null {
    return this.text
  }

  append(lines: string): boolean {
    if (this.isFull || this.text === null) return this.#fail()
    this.text += lines
    return true
  }

  replace(text: string): boolean {
    this.replaced += 1
    if (this.isFull) return this.#fail()
    this.text = text
    return true
  }

  #fail(): false {
    this.text = null
    return false
  }
}
