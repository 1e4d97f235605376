import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { htmlSummary } from '../../../../src/functions/builtins/htmlSummary.js'
import { abortedAtLook, callerOf, problemsOf } from '../../../support/builtin.js'

interface Summary {
  title: string | null
  text: string
  textLength: number
  words: number
  links: { url: string; text: string }[]
  linkCount: number
}

const summary = callerOf<Summary>(htmlSummary)
const problems = problemsOf(htmlSummary)
const textOf = async (html: string) => (await summary(html)).text
const urlsOf = async (html: string, baseUrl?: string) =>
  (await summary({ html, ...(baseUrl !== undefined && { baseUrl }) })).links.map(({ url }) => url)

const PAGE = `<!doctype html>
<html lang="en">
<head>
  <title>  The heddle
    &mdash; a part </title>
  <meta name="description" content="not shown">
  <style>p { color: red }</style>
  <script>document.write('<p>not shown</p>')</script>
</head>
<body>
  <!-- not shown -->
  <h1>The heddle</h1><p>It <b>lif</b>ts the<br>right threads&nbsp;at the right time.
  <ul><li>One<li>Two &amp; three</ul>
  <template><p>not shown <a href="/hidden">hidden</a></p></template>
  <noscript>Shown without scripts.</noscript>
  <p>See <a href="../loom?a=1&amp;b=2">the <em>loom</em></a>, <a href="//cdn.example/x">x</a>, <a name="here">here</a>
  and <a href="#top">up</a>.
  <map><area href="/corner" alt="The corner"></map>
  <svg><title>not shown</title><text>drawn</text></svg>
</body>
</html>`

describe('htmlSummary', () => {
  it('tells title, text and links of a page', async () => {
    const text =
      'The heddle It lifts the right threads at the right time. One Two & three Shown without scripts. See the loom, x, here and up. drawn'
    expect(await summary({ html: PAGE, baseUrl: 'https://example.com/parts/heddle.html' })).toEqual({
      title: 'The heddle — a part',
      text,
      textLength: text.length,
      // Of which & is none.
      words: 25,
      links: [
        { url: 'https://example.com/loom?a=1&b=2', text: 'the loom' },
        { url: 'https://cdn.example/x', text: 'x' },
        { url: 'https://example.com/parts/heddle.html#top', text: 'up' },
        { url: 'https://example.com/corner', text: 'The corner' },
      ],
      linkCount: 4,
    })
  })

  it('takes a page as it is', async () => {
    expect(await summary('<a href=" /a ">A</a><a href="https://b.example">B</a>')).toMatchObject({
      title: null,
      links: [
        { url: '/a', text: 'A' },
        { url: 'https://b.example/', text: 'B' },
      ],
    })
    expect(await summary('')).toEqual({ title: null, text: '', textLength: 0, words: 0, links: [], linkCount: 0 })
  })

  it.each([
    ['<p>a<p>b', 'a b'],
    ['<td>a</td><td>b</td>', 'ab'],
    ['<table><tr><td>a<td>b</table>', 'a b'],
    ['<b>a</b><i>b</i>', 'ab'],
    ['a<wbr>b<br>c', 'ab c'],
    ['a <script>b</script> c<style>d</style><iframe>e</iframe>', 'a c'],
    ['<textarea><b>a</b></textarea>', '<b>a</b>'],
    ['a &lt; b &notit; &#x41;', 'a < b ¬it; A'],
    ['<p>unclosed <b>bold<p>next', 'unclosed bold next'],
    ['<script><!-- <script> </script> --></script> a', 'a'],
  ])('has of %s the text %j', async (html, expected) => {
    expect(await textOf(html)).toBe(expected)
  })

  it('resolves links against the first base that has an href, wherever it stands', async () => {
    const base = '<a href="x">x</a><base target="_blank"><base href="/b/"><base href="/c/">'
    expect(await urlsOf(base, 'https://example.com/a/')).toEqual(['https://example.com/b/x'])
    expect(await urlsOf('<base href="https://other.example/d/"><a href="x">')).toEqual(['https://other.example/d/x'])
    // No URL: it counts for nothing.
    expect(await urlsOf('<base href="http://["><a href="x">', 'https://example.com/a/')).toEqual([
      'https://example.com/a/x',
    ])
  })

  it('leaves as they are written links that cannot be resolved', async () => {
    expect(await urlsOf('<a href="x y">1</a><a href="http://[">2</a><a href="mailto:a@b.example">3</a>')).toEqual([
      'x y',
      'http://[',
      'mailto:a@b.example',
    ])
  })

  it('cuts text and links, and says how much there was', async () => {
    const html = `${'<a href="/x">link</a> '.repeat(150)}🙂`
    expect(await summary(html)).toMatchObject({ linkCount: 150, textLength: 752, words: 150 })
    expect((await summary(html)).links).toHaveLength(100)
    expect((await summary({ html, maxLinks: 2 })).links).toHaveLength(2)
    expect(await summary({ html, maxText: 7, maxLinks: 0 })).toMatchObject({ text: 'link li', links: [] })
    // No half of a pair.
    expect((await summary({ html, maxText: 751 })).text).toHaveLength(750)
    const long = `<a href="/${'x'.repeat(9_000)}">${'y'.repeat(600)}</a><a href="/short">${'z'.repeat(600)}</a>`
    expect(await summary(long)).toMatchObject({ linkCount: 2, links: [{ url: '/short', text: 'z'.repeat(500) }] })
  })

  it('has no trouble with depth', async () => {
    const { text, words } = await summary(`${'<div>'.repeat(50_000)}deep`)
    expect({ text, words }).toEqual({ text: 'deep', words: 1 })
  })

  it('has the text of any paragraphs, whatever is in them', async () => {
    const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
    const letters = fc.string({
      unit: fc.constantFrom('a', 'ß', '&', '<', '>', '"', "'", ';', '東', '🙂'),
      minLength: 1,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(letters, { maxLength: 20 }), async (paragraphs) => {
        expect(await textOf(paragraphs.map((text) => `<p>${escaped(text)}</p>`).join(''))).toBe(paragraphs.join(' '))
      }),
    )
  })

  it('takes any text for a page', async () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      'p',
      'table',
      ' ',
      '"',
      '=',
      '<!--',
      '-->',
      '<svg>',
      '<template>',
      '&',
      '\0',
    )
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 60 }), async (pieces) => {
        expect((await summary(pieces.join(''))).textLength).toBeLessThanOrEqual(pieces.join('').length * 2)
      }),
    )
  })

  it('refuses what is no page and no base', async () => {
    expect(problems(5)).toEqual(['must be string,object'])
    expect(problems({ baseUrl: 'https://example.com' })).toEqual(["must have required property 'html'"])
    expect(problems({ html: '', maxLinks: 10_001 })).toEqual(['maxLinks must be <= 10000'])
    await expect(summary({ html: '', baseUrl: 'example.com' })).rejects.toThrow(
      'baseUrl: "example.com" is no absolute URL',
    )
  })

  it('ends early once its signal is aborted', async () => {
    const { context, looks } = abortedAtLook(2)
    await expect(htmlSummary.run('warp and weft '.repeat(1_000), context)).rejects.toThrow('aborted')
    expect(looks()).toBe(2)
  })
})
