/** Which items a retry is about, as bytes: one bit for each that it leaves out, deflated, as most lie together. */

import { promisify } from 'node:util'
import { deflateRaw, inflateRaw, inflateRawSync } from 'node:zlib'
import { IndexSet } from '../domain/indexset.js'

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

/** Off the main thread: ten million items are a megabyte to look through. */
export function packSelection(leftOut: IndexSet): Promise<Uint8Array> {
  return deflate(leftOut.toBits())
}

export async function unpackSelection(bound: number, bytes: Uint8Array): Promise<IndexSet> {
  return fromBytes(bound, await inflate(bytes))
}

/** For threads that have nothing else to do meanwhile. */
export function unpackSelectionNow(bound: number, bytes: Uint8Array): IndexSet {
  return fromBytes(bound, inflateRawSync(bytes))
}

/** Little end first on every machine that Node.js runs on. */
function fromBytes(bound: number, bytes: Uint8Array): IndexSet {
  return IndexSet.fromBits(bound, new Uint32Array(Uint8Array.from(bytes).buffer))
}
