import { readFileSync } from 'node:fs'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { createDestinationPolicy, FORBIDDEN } from '../../../src/fetching/destination.js'
import { rowsUnder } from '../../support/markdown.js'

const page = readFileSync(new URL('../../../docs/destinations.md', import.meta.url), 'utf8')
const policy = createDestinationPolicy([], { has: () => false })

/** The addresses and ranges of a cell of the table. */
function rangesOf(cell: string): string[] {
  return cell.split(/[ ,;]+/).filter((word) => ipaddr.isValid(word.replace(/\/\d+$/, '')) && /[:.]/.test(word))
}

describe('docs/destinations.md', () => {
  const rows = rowsUnder(page, 'What is refused').map(([what = '', ranges = '']) => [what, rangesOf(ranges)] as const)

  it('names ranges', () => {
    expect(rows.flatMap(([, ranges]) => ranges).length).toBeGreaterThan(30)
  })

  it.each(rows.filter(([what]) => !what.startsWith('IPv4 in IPv6') && !what.startsWith('IPv6 that')))(
    'has only what is refused: %s',
    (_what, ranges) => {
      for (const range of ranges) {
        const [first, last] = endsOf(range)
        expect(policy.allows('name.test', first), first).toBe(false)
        expect(policy.allows('name.test', last), last).toBe(false)
      }
    },
  )

  it('has the message', () => {
    expect(page.replaceAll('\n', ' ')).toContain(FORBIDDEN)
  })
})

function endsOf(range: string): [string, string] {
  if (!range.includes('/')) return [range, range]
  const [base, length] = ipaddr.parseCIDR(range)
  const bytes = base.toByteArray()
  const last = bytes.map((byte, at) => byte | (0xff >> Math.min(8, Math.max(0, length - at * 8))))
  return [base.toString(), ipaddr.fromByteArray(last).toString()]
}
