/** A file that came with a request: on disk, and with what was learnt of it on its way there. */

import type { LineTable } from './lines.js'
import type { UserErrorCode } from './problems.js'

/** What a file turned out to be. */
export type UploadContent =
  | {
      kind: 'lines'
      /** Its name in the folder of uploads. */
      file: string
      bytes: number
      /** In lower-case hex. */
      sha256: string
      table: LineTable
    }
  /** It can be no source, for a reason that its sender can mend; nothing of it is on disk. */
  | { kind: 'refused'; code: UserErrorCode; reason: string }

/**
 * What a variable of type Upload holds. The file is there while its request is being answered or somebody holds it, and stays
 * where one who held it says so.
 */
export abstract class UploadedFile {
  /** As its sender called it; null where it was not called anything. */
  abstract readonly name: string | null
  abstract readonly content: UploadContent
  /** Keeps the file for the time of a launch: the answer is to be called once, with whether a run has the file from now on. */
  abstract hold(): (isKept: boolean) => void

  /** What messages say where a variable of another type was given one: the rest is the server's own business. */
  toJSON(): { file: string | null } {
    return { file: this.name }
  }
}
