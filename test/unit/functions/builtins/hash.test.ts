import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hash } from '../../../../src/functions/builtins/hash.js'
import { callerOf, functionContext, problemsOf } from '../../../support/builtin.js'

const digest = callerOf<string>(hash)
const problems = problemsOf(hash)

describe('hash', () => {
  it.each([
    // FIPS 180-4's examples, and the SHA-256 of nothing.
    ['sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['sha256', '', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    [
      'sha256',
      'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
      '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
    ],
    ['sha1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
    [
      'sha512',
      'abc',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    ],
    // RFC 1321's test suite.
    ['md5', '', 'd41d8cd98f00b204e9800998ecf8427e'],
    ['md5', 'message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ])('has the published %s of %j', async (algorithm, text, expected) => {
    expect(await digest({ text, algorithm })).toBe(expected)
    expect(await digest({ base64: Buffer.from(text).toString('base64'), algorithm })).toBe(expected)
  })

  it('takes SHA-256 of a text that is given as it is', async () => {
    expect(await digest('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('hashes a text in UTF-8, a half of a pair as U+FFFD', async () => {
    // printf 'é' | sha256sum
    expect(await digest('é')).toBe('4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c')
    expect(await digest('\ud800')).toBe(await digest('\ufffd'))
  })

  it('hashes any bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const own = await crypto.subtle.digest('SHA-256', bytes)
        const expected = Array.from(new Uint8Array(own), (byte) => byte.toString(16).padStart(2, '0')).join('')
        expect(await digest({ base64: Buffer.from(bytes).toString('base64') })).toBe(expected)
      }),
    )
  })

  it('refuses what is no base64 instead of skipping over it', async () => {
    expect(problems({ base64: 'QQ==\n' })).toEqual(['base64 must match pattern "^[A-Za-z0-9+/]*={0,2}$"'])
    expect(problems({ base64: 'Q-_=' })).toHaveLength(1)
    const run = (base64: string) => () => hash.run({ base64 }, functionContext())
    expect(run('QUJ')).toThrow('no base64: 3 characters are no multiple of 4')
    expect(run('QR==')).toThrow('no base64 of RFC 4648')
    expect(run('QQ==')).not.toThrow()
  })

  it('refuses other inputs', () => {
    expect(problems(5)).toEqual(['must be string,object'])
    expect(problems({ text: 'a', base64: 'QQ==' })).toEqual(['base64 is not allowed here'])
    expect(problems({ text: 'a', algorithm: 'crc32' })).toEqual([
      'algorithm must be one of "sha256", "sha1", "sha512", "md5"',
    ])
    expect(problems({ algorithm: 'md5' })).toContain("must have required property 'text'")
  })

  it('takes as many bytes as it says', async () => {
    expect(await digest({ base64: Buffer.alloc(5 * 1024 * 1024).toString('base64') })).toBe(
      // head -c 5242880 /dev/zero | sha256sum
      'c036cbb7553a909f8b8877d4461924307f27ecb66cff928eeeafd569c3887e29',
    )
  })
})
