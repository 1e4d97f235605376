/** Files of lines on disk, and what is known of them as of files that came with a request. */

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LineIndexer, type LineTable } from '../../src/domain/lines.js'
import { type UploadContent, UploadedFile } from '../../src/domain/upload.js'

export function tableOf(content: string | Uint8Array): LineTable {
  const indexer = new LineIndexer({ maxCount: 1e9 })
  indexer.push(Buffer.from(content))
  return indexer.finish()
}

/** A folder of a test's own. */
export function filesFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-files-'))
  return {
    folder,
    /** A file and where its lines are. */
    write(content: string | Uint8Array, name = 'file') {
      const path = join(folder, name)
      writeFileSync(path, content)
      return { path, stretches: tableOf(content).stretches }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A file that came with a request, and who holds it. */
export class TestUpload extends UploadedFile {
  readonly content: UploadContent
  holders = 0
  isKept = false

  constructor(
    readonly name: string | null,
    content: string | Extract<UploadContent, { kind: 'refused' }>,
    file = 'file',
  ) {
    super()
    this.content =
      typeof content === 'string'
        ? {
            kind: 'lines',
            file,
            bytes: Buffer.byteLength(content),
            sha256: createHash('sha256').update(content).digest('hex'),
            table: tableOf(content),
          }
        : content
  }

  hold(): (isKept: boolean) => void {
    this.holders += 1
    return (isKept) => {
      this.holders -= 1
      this.isKept ||= isKept
    }
  }
}
