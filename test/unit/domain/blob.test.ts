import { describe, expect, it } from 'vitest'
import { blobPath, isSha256, isStagedOf, parseStagedName, stagedName, stagedStem } from '../../../src/domain/blob.js'
import { toRunKey } from '../../../src/domain/ids.js'

const RUN = toRunKey('0123456789abcdef0123456789abcdef')
const HASH = 'ab'.repeat(32)

describe('the names of stored bodies', () => {
  it('are their hashes, in 256 folders', () => {
    expect(blobPath(HASH)).toBe(`ab/${'ab'.repeat(31)}`)
    expect([HASH, HASH.toUpperCase(), HASH.slice(1), `${HASH}a`, `${HASH.slice(1)}g`].map(isSha256)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ])
  })

  it('say whose they are while they are staged, and whether they are whole', () => {
    const stem = stagedStem({ run: RUN, stage: 0 }, 17)
    const whole = stagedName(stem, HASH)
    expect(parseStagedName(whole)).toEqual({ run: RUN, sha256: HASH })
    for (const other of [`${stem}.1-0-1.part`, `${whole}.part`, `x${whole}`, stem, '', '.DS_Store']) {
      expect(parseStagedName(other)).toBeNull()
    }
    expect([whole, `${stem}.1-0-1.part`, `f${whole.slice(1)}`].map((name) => isStagedOf(RUN, name))).toEqual([
      true,
      true,
      false,
    ])
  })
})
