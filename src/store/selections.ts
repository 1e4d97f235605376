/** Which items a retry is about, as bytes: one bit for each that it leaves out, deflated, as most lie together. */

import { promisify } from 'node:util'
import { deflateRaw, deflateRawSync, inflateRaw, inflateRawSync } from 'node:zlib'
import { IndexSet } from '../domain/indexset.js'

const deflate = promisify(deflateRaw)
const inflate = promisify(inflateRaw)

/** More than this is looked through off the main thread: ten million items are a megabyte. */
const SMALL_BYTES = 4_096

export async function packSelection(leftOut: IndexSet): Promise<Uint8Array> {
  const bits = leftOut.toBits()
  return bits.byteLength <= SMALL_BYTES ? deflateRawSync(bits) : deflate(bits)
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
