/** The origin's documents: every path with its type and its bytes. */

import { ARTICLES, type Article, TERMS } from './articles.js'

export interface Document {
  contentType: string
  body: Buffer
}

const HTML = 'text/html; charset=utf-8'
const JSON_TYPE = 'application/json'

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => ESCAPES[character] ?? character)
}

function html(title: string, content: string): Document {
  const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} - Threads and looms</title>
</head>
<body>
<header><a href="/">Threads and looms</a></header>
<main>
<h1>${escapeHtml(title)}</h1>
${content}
</main>
</body>
</html>
`
  return { contentType: HTML, body: Buffer.from(page) }
}

function json(value: unknown): Document {
  return { contentType: JSON_TYPE, body: Buffer.from(`${JSON.stringify(value, null, 2)}\n`) }
}

function articlePage(article: Article): Document {
  const paragraphs = article.paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('\n')
  const links = article.seeAlso.map((slug) => `<li><a href="/wiki/${slug}">${escapeHtml(titleOf(slug))}</a></li>`)
  return html(article.title, `${paragraphs}\n<h2>See also</h2>\n<ul>\n${links.join('\n')}\n</ul>`)
}

function articleData(article: Article, path: string): Document {
  const words = article.paragraphs.join(' ').split(/\s+/).length
  const seeAlso = article.seeAlso.map((slug) => ({ title: titleOf(slug), path: `/wiki/${slug}.json` }))
  return json({ title: article.title, path, words, paragraphs: article.paragraphs, seeAlso })
}

function titleOf(slug: string): string {
  return ARTICLES.find((article) => article.slug === slug)?.title ?? slug
}

function contents(paths: readonly { path: string; title: string }[]): Document {
  const links = paths.map(({ path, title }) => `<li><a href="${path}">${escapeHtml(title)}</a></li>`)
  const intro = '<p>A small encyclopedia of weaving and computing: every article and term, as a page and as data.</p>'
  return html('Threads and looms', `${intro}\n<ul>\n${links.join('\n')}\n</ul>`)
}

function build(): ReadonlyMap<string, Document> {
  const documents = new Map<string, Document>()
  const listed: { path: string; title: string }[] = []
  const folders = [
    { folder: '/wiki', articles: ARTICLES },
    { folder: '/terms', articles: TERMS },
  ]
  for (const { folder, articles } of folders) {
    for (const article of articles) {
      const path = `${folder}/${article.slug}`
      documents.set(path, articlePage(article))
      documents.set(`${path}.json`, articleData(article, path))
      listed.push({ path, title: article.title }, { path: `${path}.json`, title: `${article.title}, as data` })
    }
  }
  for (let number = 1; number <= NUMBERS; number += 1)
    documents.set(numberPath(number), json({ number, limit: limitOf(number) }))
  return documents.set('/', contents(listed))
}

/** Documents of a number each, as something to compute with. */
export const NUMBERS = 60

export function numberPath(number: number | string): string {
  return `/numbers/${number}.json`
}

/** What the document of this number says: large enough that to sum up to it takes a core some milliseconds. */
export function limitOf(number: number): number {
  return 20_000_000 + number
}

/** By path; `/` links to every article and term. */
export const DOCUMENTS = build()

/** What `/download/<number>` sends: the same bytes for the same number, and no two numbers alike. */
export function download(number: number, bytes = 262_144): Buffer {
  const body = Buffer.alloc(bytes)
  // A linear congruential generator (Numerical Recipes): bytes that do not compress, from a seed.
  let state = number >>> 0
  for (let at = 0; at < bytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    body[at] = state >>> 24
  }
  return body
}
