import type { ComputeFunction, FunctionContext } from '../function.js'
import { checkpoint } from './checkpoint.js'
import { piecesOf, wordsIn } from './words.js'

const MAX_CHARS = 5_000_000
const MAX_TOP = 1_000

interface Options {
  text: string
  top?: number
  minLength?: number
  locale?: string
}

interface Term {
  term: string
  count: number
}

/** The most frequent words of a text. */
export const wordFrequencies: ComputeFunction = {
  name: 'wordFrequencies',
  description: [
    'The most frequent words of a text, given as it is or as { text, top, minLength, locale }: the top terms (10 if not said, at',
    'most 1,000), the most frequent first, those equally frequent by code unit. Words are those of Unicode (UAX 29, by',
    'Intl.Segmenter), normalized (NFC) and in lower case; minLength leaves out those of fewer characters (code points; 1 if not',
    'said), and words and distinct count what is left. locale (en if not said) decides lower case and the dictionaries. Exact',
    "counts; where words end may differ between versions of Node.js's ICU. At most 5,000,000 characters; a million take some 0.5 s.",
  ].join(' '),
  inputSchema: {
    type: ['string', 'object'],
    maxLength: MAX_CHARS,
    properties: {
      text: { type: 'string', maxLength: MAX_CHARS },
      top: { type: 'integer', minimum: 1, maximum: MAX_TOP, default: 10 },
      minLength: { type: 'integer', minimum: 1, maximum: 100, default: 1 },
      locale: { type: 'string', pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$', default: 'en' },
    },
    required: ['text'],
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      words: { type: 'integer', minimum: 0 },
      distinct: { type: 'integer', minimum: 0 },
      terms: {
        type: 'array',
        maxItems: MAX_TOP,
        items: {
          type: 'object',
          properties: { term: { type: 'string' }, count: { type: 'integer', minimum: 1 } },
          required: ['term', 'count'],
          additionalProperties: false,
        },
      },
    },
    required: ['words', 'distinct', 'terms'],
    additionalProperties: false,
  },
  example: { text: 'The heddle lifts the threads; the shuttle carries the thread through.', top: 3 },
  run(input, context) {
    const options: Options = typeof input === 'string' ? { text: input } : (input as Options)
    const counts = count(options, context)
    let words = 0
    for (const times of counts.values()) words += times
    return { words, distinct: counts.size, terms: mostFrequent(counts, options.top ?? 10) }
  },
}

function count({ text, minLength = 1, locale = 'en' }: Options, context: FunctionContext): Map<string, number> {
  const counts = new Map<string, number>()
  const segmenter = segmenterOf(locale)
  let done = 0
  for (const piece of piecesOf(text)) {
    checkpoint(context, done / text.length)
    for (const word of wordsIn(piece, segmenter)) {
      const term = word.toLocaleLowerCase(locale).normalize('NFC')
      if (isShorter(term, minLength)) continue
      counts.set(term, (counts.get(term) ?? 0) + 1)
    }
    done += piece.length
  }
  return counts
}

function segmenterOf(locale: string): Intl.Segmenter {
  try {
    return new Intl.Segmenter(locale, { granularity: 'word' })
  } catch {
    throw new RangeError(`locale: ${JSON.stringify(locale)} is no language tag of BCP 47`)
  }
}

function isShorter(term: string, minLength: number): boolean {
  // A code point is one or two units.
  return term.length < minLength || (term.length < 2 * minLength && Array.from(term).length < minLength)
}

function mostFrequent(counts: ReadonlyMap<string, number>, top: number): Term[] {
  return Array.from(counts, ([term, times]) => ({ term, count: times }))
    .sort((a, b) => b.count - a.count || (a.term < b.term ? -1 : 1))
    .slice(0, top)
}
