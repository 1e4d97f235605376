/** Bytes in JSON: base64 (RFC 4648), with padding and nothing between. */

import type { Json } from '../../domain/batch.js'

/** 5 MiB of bytes. */
export const MAX_BASE64_CHARS = 6_990_508

export const BASE64_SCHEMA: { [key: string]: Json } = {
  type: 'string',
  pattern: '^[A-Za-z0-9+/]*={0,2}$',
  maxLength: MAX_BASE64_CHARS,
  description: 'Bytes in base64 (RFC 4648, with padding), 5 MiB of them at most.',
}

/** Throws an Error where the text is no base64 of anything: Buffer.from alone would skip over it. */
export function bytesOfBase64(text: string): Buffer {
  if (text.length % 4 !== 0) {
    throw new Error(`no base64: ${text.length} characters are no multiple of 4, so its end or its padding is missing`)
  }
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new Error('no base64 of RFC 4648: decoded and encoded again it differs')
  return bytes
}
