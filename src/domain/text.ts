/** Bytes as text, as their sender says that they are written. */

import { TextDecoder } from 'node:util'

export const UTF_8 = 'utf-8'
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)/i

/** A byte order mark wins over the header, as in browsers; a charset that nobody knows is taken for UTF-8. */
export function charsetOf(body: Uint8Array, contentType: string | null): string {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return UTF_8
  if (body[0] === 0xff && body[1] === 0xfe) return 'utf-16le'
  if (body[0] === 0xfe && body[1] === 0xff) return 'utf-16be'
  return CHARSET.exec(contentType ?? '')?.[1]?.toLowerCase() ?? UTF_8
}

const decoders = new Map<string, TextDecoder>()
const MAX_DECODERS = 64

/** What its byte order mark or the charset of its content type says it is. */
export function decodeText(body: Uint8Array, contentType: string | null): string {
  const decoder = decoderOf(charsetOf(body, contentType))
  return corrected(decoder.decode(body), decoder)
}

/** Decodes a text piece by piece: a character that is cut comes with the next piece, or not at all. */
export class PiecewiseText {
  /** Of its own: it keeps what was cut. */
  readonly #decoder: TextDecoder

  constructor(beginning: Uint8Array, contentType: string | null) {
    this.#decoder = createDecoder(charsetOf(beginning, contentType))
  }

  decode(piece: Uint8Array): string {
    return corrected(this.#decoder.decode(piece, { stream: true }), this.#decoder)
  }

  /** The text has ended: what is left of it is half a character. */
  end(): string {
    return corrected(this.#decoder.decode(), this.#decoder)
  }
}

function corrected(text: string, { encoding }: TextDecoder): string {
  return encoding === 'windows-1252' ? text.replace(/[\u0080-\u009f]/g, windows1252) : text
}

/** The bytes from 0x80 to 0x9f, which Node's decoder takes for Latin 1 in some versions. */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

function windows1252(character: string): string {
  return WINDOWS_1252[character.charCodeAt(0) - 0x80] ?? character
}

function decoderOf(charset: string): TextDecoder {
  const known = decoders.get(charset)
  if (known !== undefined) return known
  const decoder = createDecoder(charset)
  // What origins name has no bound.
  if (decoders.size < MAX_DECODERS) decoders.set(charset, decoder)
  return decoder
}

function createDecoder(charset: string): TextDecoder {
  try {
    return new TextDecoder(charset)
  } catch {
    return new TextDecoder(UTF_8)
  }
}
