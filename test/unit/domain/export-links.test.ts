import { describe, expect, it } from 'vitest'
import { ExportLinks, type SignedLink } from '../../../src/domain/export-links.js'
import { toRunKey } from '../../../src/domain/ids.js'

const KEY = Uint8Array.from({ length: 32 }, (_, at) => at)
const TARGET = { run: toRunKey('0123456789abcdef0123456789abcdef'), format: 'CSV' } as const
const NOW_MS = 1_700_000_000_000
const HOUR_MS = 3_600_000

function linkOf(url: string): SignedLink {
  const query = new URL(url, 'http://localhost').searchParams
  return { ...TARGET, expires: query.get('expires') ?? '', signature: query.get('signature') ?? '' }
}

const links = new ExportLinks(KEY)
const link = linkOf(links.urlOf(TARGET, 'reader', NOW_MS))
const check = (changed: Partial<SignedLink> = {}, spaces = ['other', 'reader'], nowMs = NOW_MS) =>
  links.check({ ...link, ...changed }, spaces, nowMs)

describe('a link', () => {
  it('is the bare path where no token asked for it', () => {
    expect(links.urlOf(TARGET, '', NOW_MS)).toBe(`/runs/run_${TARGET.run}/export.csv`)
  })

  it('opens its file for an hour, on behalf of the token that it was made for', () => {
    expect(check()).toEqual({ space: 'reader' })
    expect(check({}, ['reader'], NOW_MS + HOUR_MS - 1)).toEqual({ space: 'reader' })
    expect(check({}, ['reader'], NOW_MS + HOUR_MS)).toEqual({ refused: 'EXPIRED' })
  })

  it.each<[string, Partial<SignedLink>]>([
    ['another run', { run: toRunKey('1123456789abcdef0123456789abcdef') }],
    ['another format', { format: 'NDJSON' }],
    ['a later expiry', { expires: String(Number(link.expires) + 1) }],
    ['the same expiry, written otherwise', { expires: `0${link.expires}` }],
    ['no expiry', { expires: '' }],
    ['no signature', { signature: '' }],
    ['half a signature', { signature: link.signature.slice(0, 20) }],
    ['more of a signature', { signature: `${link.signature}AAAA` }],
    ['another signature', { signature: link.signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')) }],
    ['what is no base64', { signature: '%%%' }],
  ])('does not open %s', (_, changed) => {
    expect(check(changed)).toEqual({ refused: 'FORGED' })
  })

  it('opens nothing once its token is gone, or under another key', () => {
    expect(check({}, ['other'])).toEqual({ refused: 'FORGED' })
    expect(check({}, [])).toEqual({ refused: 'FORGED' })
    expect(new ExportLinks(KEY.toReversed()).check(link, ['reader'], NOW_MS)).toEqual({ refused: 'FORGED' })
  })
})
