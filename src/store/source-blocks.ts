/** The items of a list source, stored in blocks: reading neighbours costs one read. */

import type { Json } from '../domain/batch.js'

/** A block ends at whichever comes first. */
const MAX_ITEMS = 1000
const MAX_LENGTH = 256 * 1024

/** Parsed blocks kept: about 4 MB of JSON at most, unless single items are larger than a block. */
const MAX_CACHED = 16

export interface SourceBlockRow {
  first: number
  count: number
  /** JSON array. */
  items: string
}

export function toSourceBlocks(items: readonly unknown[]): SourceBlockRow[] {
  const blocks: SourceBlockRow[] = []
  let texts: string[] = []
  let length = 0
  const close = (end: number) => {
    if (texts.length > 0) blocks.push({ first: end - texts.length, count: texts.length, items: `[${texts.join()}]` })
    texts = []
    length = 0
  }
  items.forEach((item, index) => {
    const text = JSON.stringify(item)
    if (length + text.length > MAX_LENGTH || texts.length === MAX_ITEMS) close(index)
    texts.push(text)
    length += text.length
  })
  close(items.length)
  return blocks
}

interface Block {
  runId: number
  first: number
  items: Json[]
}

/** The block that an index is in; null where the run has no such item. */
export type ReadBlock = (runId: number, index: number) => Promise<SourceBlockRow | null>

/** Reads items through a small cache of blocks. */
export class SourceBlocks {
  readonly #read: ReadBlock
  /** The one used last is at the end. */
  #cached: Block[] = []

  constructor(read: ReadBlock) {
    this.#read = read
  }

  /** Indexes without an item are left out. */
  async items(runId: number, indexes: readonly number[]): Promise<Map<number, Json>> {
    const items = new Map<number, Json>()
    let block: Block | null = null
    for (const index of indexes) {
      if (!block || !holds(block, runId, index)) block = this.#find(runId, index) ?? (await this.#load(runId, index))
      if (block) items.set(index, block.items[index - block.first]!)
    }
    return items
  }

  #find(runId: number, index: number): Block | null {
    const block = this.#cached.findLast((cached) => holds(cached, runId, index))
    if (!block) return null
    this.#keep(block)
    return block
  }

  async #load(runId: number, index: number): Promise<Block | null> {
    const row = await this.#read(runId, index)
    if (!row || index >= row.first + row.count) return null
    const block = { runId, first: row.first, items: JSON.parse(row.items) as Json[] }
    this.#keep(block)
    return block
  }

  #keep(block: Block): void {
    this.#cached = this.#cached.filter((cached) => cached.runId !== block.runId || cached.first !== block.first)
    this.#cached.push(block)
    if (this.#cached.length > MAX_CACHED) this.#cached.shift()
  }
}

function holds({ runId, first, items }: Block, itsRun: number, index: number): boolean {
  return runId === itsRun && index >= first && index < first + items.length
}
