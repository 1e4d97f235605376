/** What a parsed page says: its title, its text, its links. */

import type { DefaultTreeAdapterTypes as Tree } from 'parse5'

/** A link as it is written. */
export interface PageLink {
  href: string
  text: string
}

const HTML_NAMESPACE = 'http://www.w3.org/1999/xhtml'

/** What is in them is not shown as text, if at all. The content of a template is no part of the tree. */
const SILENT: ReadonlySet<string> = new Set(['head', 'title', 'script', 'style', 'iframe', 'noembed', 'noframes'])

/** All others stand apart from what is before and behind them. */
const INLINE: ReadonlySet<string> = new Set(
  'a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark nobr q rb rp rt rtc ruby s samp small span strike strong sub sup time tt u var wbr'.split(
    ' ',
  ),
)

interface OpenElement {
  node: Tree.Element
  link: PageLink | null
  /** How many pieces of text there were before it. */
  textFrom: number
}

/** Reads a tree of any depth once. */
export class HtmlPage {
  title: string | null = null
  /** Of the first base element that has one. */
  baseHref: string | null = null
  readonly links: PageLink[] = []
  readonly #text: string[] = []
  #silent = 0

  constructor(document: Tree.Document) {
    const open: (Tree.ChildNode | OpenElement)[] = []
    openChildren(document, open)
    for (let next = open.pop(); next; next = open.pop()) {
      if ('link' in next) this.#leave(next)
      else if ('tagName' in next) {
        open.push(this.#enter(next))
        openChildren(next, open)
      } else if (this.#silent === 0 && '#text' === next.nodeName) this.#text.push((next as Tree.TextNode).value)
    }
  }

  /** With white space made single spaces. */
  get text(): string {
    return spaced(this.#text.join(''))
  }

  #enter(node: Tree.Element): OpenElement {
    const { tagName } = node
    this.#separate(tagName)
    if (SILENT.has(tagName)) this.#silent += 1
    const link = node.namespaceURI === HTML_NAMESPACE ? this.#note(node) : null
    return { node, link, textFrom: this.#text.length }
  }

  /** Takes down what an element of HTML says of the page. */
  #note(node: Tree.Element): PageLink | null {
    const href = attribute(node, 'href')
    switch (node.tagName) {
      case 'title':
        this.title ??= spaced(ownText(node))
        return null
      case 'base':
        this.baseHref ??= href
        return null
      case 'a':
      case 'area': {
        if (href === null) return null
        const link = { href, text: spaced(attribute(node, 'alt') ?? '') }
        this.links.push(link)
        return link
      }
      default:
        return null
    }
  }

  #leave({ node: { tagName }, link, textFrom }: OpenElement): void {
    if (link && tagName === 'a') link.text = spaced(this.#text.slice(textFrom).join(''))
    if (SILENT.has(tagName)) this.#silent -= 1
    this.#separate(tagName)
  }

  #separate(tagName: string): void {
    if (this.#silent === 0 && !INLINE.has(tagName)) this.#text.push(' ')
  }
}

/** The last first, as they are taken from the end. */
function openChildren({ childNodes }: Tree.ParentNode, open: (Tree.ChildNode | OpenElement)[]): void {
  for (let at = childNodes.length - 1; at >= 0; at -= 1) open.push(childNodes[at] as Tree.ChildNode)
}

function ownText({ childNodes }: Tree.Element): string {
  return childNodes.map((node) => ('value' in node ? node.value : '')).join('')
}

function attribute({ attrs }: Tree.Element, wanted: string): string | null {
  return attrs.find(({ name, prefix }) => name === wanted && !prefix)?.value ?? null
}

function spaced(text: string): string {
  return text.replace(/\s+/g, ' ').trim()
}
