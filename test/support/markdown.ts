/** Reads tables and documents out of pages of documentation, to compare them with what they describe. */

/** The cells of the last table under a heading of any level, without its head. Throws where there is none. */
export function rowsUnder(page: string, heading: string): string[][] {
  const sections = page.split(/^#+ /m)
  const section = sections.find((text) => text.split('\n', 1)[0] === heading)
  const lines = section?.split('\n').filter((line) => line.startsWith('|')) ?? []
  const rule = lines.findLastIndex((line) => /^\|[-| :]+\|$/.test(line))
  if (rule === -1) throw new Error(`there is no table under "${heading}"`)
  return lines.slice(rule + 1).map(cellsOf)
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, '')
    .split('|')
    .map((cell) => cell.trim())
}

/** The texts of a page's fenced blocks of a language, in their order. */
export function blocksOf(page: string, language: string): string[] {
  return Array.from(page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm))
    .filter(([, name]) => name === language)
    .map(([, , text = '']) => text)
}

/** The GraphQL documents of a page, those that its commands send as JSON included. Throws where one of those is no JSON. */
export function documentsOf(page: string): string[] {
  const bodies = blocksOf(page, 'sh').flatMap((block) =>
    Array.from(block.matchAll(/(?:-d |operations=)'(\{[^']*\})'/g), ([, body = '']) => body),
  )
  return [...blocksOf(page, 'graphql'), ...bodies.map((body) => (JSON.parse(body) as { query: string }).query)]
}
