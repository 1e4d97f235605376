/** Reads tables out of pages of documentation, to compare them with what they describe. */

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
