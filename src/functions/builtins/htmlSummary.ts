import type { ComputeFunction, FunctionContext } from '../function.js'
import { checkpoint } from './checkpoint.js'
import { HtmlPage } from './htmlPage.js'
import { piecesOf, wordsIn } from './words.js'

const MAX_CHARS = 5_000_000
const MAX_URL_CHARS = 8_192
const MAX_LINK_TEXT_CHARS = 500
const MAX_TEXT_CHARS = 1_000_000
const MAX_LINKS = 10_000

interface Options {
  html: string
  baseUrl?: string
  maxText?: number
  maxLinks?: number
}

/** What a page says, and where it leads. */
export const htmlSummary: ComputeFunction = {
  name: 'htmlSummary',
  description: [
    "A page's title, text and links, given as HTML or as { html, baseUrl, maxText, maxLinks }. It is parsed as browsers do (WHATWG,",
    'with scripts off, so that noscript counts). text: what stands in the page, white space made single spaces, without the head,',
    'scripts, styles, templates and frames, cut at maxText UTF-16 units (10,000 if not said, at most 1,000,000); textLength is its',
    'length before, words the number of all its words, those of wordFrequencies in English. links: the a and area elements with an',
    'href, in order, at most maxLinks (100 if not said, at most 10,000), texts cut at 500 units; linkCount counts all. url is resolved',
    'against <base href>, and that against baseUrl; what cannot be resolved stays as it is written, and URLs of more than 8,192',
    'characters are left out. At most 5,000,000 characters; a million take some 0.5 s.',
  ].join(' '),
  inputSchema: {
    type: ['string', 'object'],
    maxLength: MAX_CHARS,
    properties: {
      html: { type: 'string', maxLength: MAX_CHARS },
      baseUrl: { type: 'string', maxLength: MAX_URL_CHARS, description: 'The URL of the page.' },
      maxText: { type: 'integer', minimum: 0, maximum: MAX_TEXT_CHARS, default: 10_000 },
      maxLinks: { type: 'integer', minimum: 0, maximum: MAX_LINKS, default: 100 },
    },
    required: ['html'],
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      title: { type: ['string', 'null'], description: 'Null where there is none.' },
      text: { type: 'string' },
      textLength: { type: 'integer', minimum: 0 },
      words: { type: 'integer', minimum: 0 },
      links: {
        type: 'array',
        maxItems: MAX_LINKS,
        items: {
          type: 'object',
          properties: {
            url: { type: 'string', maxLength: MAX_URL_CHARS },
            text: { type: 'string', maxLength: MAX_LINK_TEXT_CHARS },
          },
          required: ['url', 'text'],
          additionalProperties: false,
        },
      },
      linkCount: { type: 'integer', minimum: 0 },
    },
    required: ['title', 'text', 'textLength', 'words', 'links', 'linkCount'],
    additionalProperties: false,
  },
  example: {
    html: '<title>Looms</title><h1>Looms</h1><p>See <a href="heddle">the heddle</a>.</p>',
    baseUrl: 'https://example.com/weaving/',
  },
  async run(input, context) {
    const { parse } = await import('parse5')
    const options: Options = typeof input === 'string' ? { html: input } : (input as Options)
    const pageUrl = options.baseUrl === undefined ? null : absolute(options.baseUrl, null)
    if (options.baseUrl !== undefined && pageUrl === null) {
      throw new Error(`baseUrl: ${JSON.stringify(options.baseUrl)} is no absolute URL`)
    }
    const page = new HtmlPage(parse(options.html, { scriptingEnabled: false }))
    const { text, links } = page
    return {
      title: page.title,
      text: cut(text, options.maxText ?? 10_000),
      textLength: text.length,
      words: countWords(text, context),
      links: resolvedLinks(page, pageUrl, options.maxLinks ?? 100),
      linkCount: links.length,
    }
  },
}

function resolvedLinks({ links, baseHref }: HtmlPage, pageUrl: string | null, maxLinks: number): object[] {
  // A base that is no URL counts for nothing, in browsers too.
  const base = (baseHref === null ? null : absolute(baseHref, pageUrl)) ?? pageUrl
  const told: object[] = []
  for (const { href, text } of links) {
    if (told.length >= maxLinks) break
    const url = href.length > MAX_URL_CHARS ? href : (absolute(href, base) ?? href.trim())
    if (url.length <= MAX_URL_CHARS) told.push({ url, text: cut(text, MAX_LINK_TEXT_CHARS) })
  }
  return told
}

function absolute(url: string, base: string | null): string | null {
  return URL.canParse(url, base ?? undefined) ? new URL(url, base ?? undefined).href : null
}

/** No half of a surrogate pair is left at the end. */
function cut(text: string, maxUnits: number): string {
  if (text.length <= maxUnits) return text
  const last = text.charCodeAt(maxUnits - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxUnits - 1 : maxUnits)
}

function countWords(text: string, context: FunctionContext): number {
  const segmenter = new Intl.Segmenter('en', { granularity: 'word' })
  let [words, done] = [0, 0]
  for (const piece of piecesOf(text)) {
    checkpoint(context, done / text.length)
    for (const _ of wordsIn(piece, segmenter)) words += 1
    done += piece.length
  }
  return words
}
