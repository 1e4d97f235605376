/** The contract of the notes: a small text that outlives the process, though not a power cut. What it says is domain/notes.ts. */

export interface NoteFile {
  /** What it says, or the beginning of that; null where it says nothing. */
  read(): string | null
  /**
   * Adds lines to its end, before this returns. False where they could not be added, and there is no file any more: nothing is then
   * added until `replace` has succeeded.
   */
  append(lines: string): boolean
  /** Has it say this and nothing else: all of it or, where the process dies meanwhile, what it said before. False as above. */
  replace(text: string): boolean
  /** Characters that it has. */
  readonly size: number
}
