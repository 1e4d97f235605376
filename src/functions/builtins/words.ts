/** Words, found by Intl.Segmenter (Unicode Standard Annex 29, with ICU's dictionaries for scripts without spaces). */

/**
 * V8 copies the whole text for each segment, so that a text of a million characters would take minutes: it gets pieces of
 * about this many. No word contains what a piece begins with.
 */
const PIECE_CHARS = 1_024

/** Where nothing separates words for so long, the text is cut anyway. */
const MAX_PIECE_CHARS = 8_192

/** Tab, line feed, carriage return, space, ideographic space, 、 and 。. */
const SEPARATORS: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20, 0x3000, 0x3001, 0x3002])

/** The text in pieces, each but the first beginning with a separator. */
export function* piecesOf(text: string): Generator<string, void> {
  for (let start = 0; start < text.length; ) {
    const end = endOfPiece(text, start)
    yield text.slice(start, end)
    start = end
  }
}

function endOfPiece(text: string, start: number): number {
  const wanted = start + PIECE_CHARS
  if (wanted >= text.length) return text.length
  for (let end = wanted; end > start; end -= 1) if (SEPARATORS.has(text.charCodeAt(end))) return end
  const last = Math.min(start + MAX_PIECE_CHARS, text.length)
  for (let end = wanted; end < last; end += 1) if (SEPARATORS.has(text.charCodeAt(end))) return end
  return last < text.length && isLowSurrogate(text.charCodeAt(last)) ? last - 1 : last
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

/** The words of a piece, as they are written. */
export function* wordsIn(piece: string, segmenter: Intl.Segmenter): Generator<string, void> {
  for (const { segment, isWordLike } of segmenter.segment(piece)) if (isWordLike) yield segment
}
