import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { wordFrequencies } from '../../../../src/functions/builtins/wordFrequencies.js'
import { piecesOf, wordsIn } from '../../../../src/functions/builtins/words.js'
import { abortedAtLook, callerOf, listeningContext, problemsOf } from '../../../support/builtin.js'

interface Frequencies {
  words: number
  distinct: number
  terms: { term: string; count: number }[]
}

const frequencies = callerOf<Frequencies>(wordFrequencies)
const problems = problemsOf(wordFrequencies)
const pairs = async (input: unknown) => (await frequencies(input)).terms.map(({ term, count }) => [term, count])

describe('wordFrequencies', () => {
  it('counts words, without their case and what is between them', async () => {
    expect(await frequencies('The cat, the hat: THE end. Cat!')).toEqual({
      words: 7,
      distinct: 4,
      terms: [
        { term: 'the', count: 3 },
        { term: 'cat', count: 2 },
        { term: 'end', count: 1 },
        { term: 'hat', count: 1 },
      ],
    })
    expect(await frequencies('')).toEqual({ words: 0, distinct: 0, terms: [] })
    expect(await frequencies(' — … 🙂 ')).toEqual({ words: 0, distinct: 0, terms: [] })
  })

  it('keeps together what belongs together', async () => {
    expect(await pairs("Don't pay 3.14 or 1,000 for it's_name")).toEqual([
      ['1,000', 1],
      ['3.14', 1],
      ["don't", 1],
      ['for', 1],
      ["it's_name", 1],
      ['or', 1],
      ['pay', 1],
    ])
  })

  it('takes composed and decomposed letters for the same', async () => {
    expect(await pairs('caf\u00e9 cafe\u0301 CAFÉ')).toEqual([['caf\u00e9', 3]])
  })

  it('orders equal counts by code unit', async () => {
    expect(await pairs('ä z Z b a ä B A 10 9')).toEqual([
      ['a', 2],
      ['b', 2],
      ['z', 2],
      ['ä', 2],
      ['10', 1],
      ['9', 1],
    ])
  })

  it('gives no more than the top, and leaves out what is short', async () => {
    const text = 'a a a bb bb ccc 𝒳𝒴'
    expect(await frequencies({ text, top: 2 })).toMatchObject({ words: 7, distinct: 4, terms: [{}, {}] })
    expect(await frequencies({ text, minLength: 2 })).toMatchObject({
      words: 4,
      distinct: 3,
      terms: [{ term: 'bb' }, { term: 'ccc' }, { term: '𝒳𝒴' }],
    })
    expect(await pairs({ text, minLength: 3 })).toEqual([['ccc', 1]])
    const many = Array.from({ length: 30 }, (_, at) => `w${at}`).join(' ')
    expect((await frequencies(many)).terms).toHaveLength(10)
  })

  it('goes by the locale: its lower case, and words without spaces', async () => {
    expect(await pairs({ text: 'IRMAK', locale: 'tr' })).toEqual([['ırmak', 1]])
    expect(await pairs('IRMAK')).toEqual([['irmak', 1]])
    expect((await frequencies({ text: '東京都に住む。東京に行く。', locale: 'ja' })).words).toBeGreaterThan(4)
  })

  it('counts every word of a text made of words', async () => {
    const word = fc.constantFrom('loom', 'warp', 'weft', 'heddle', 'shuttle')
    const gap = fc.constantFrom(' ', ', ', '. ', '\n', ' — ', '; ')
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(word, gap), { maxLength: 3_000 }), async (parts) => {
        const counts = new Map<string, number>()
        for (const [one] of parts) counts.set(one, (counts.get(one) ?? 0) + 1)
        const found = await frequencies({ text: parts.map(([one, between]) => one + between).join('') })
        expect(new Map(found.terms.map(({ term, count }) => [term, count]))).toEqual(counts)
        expect(found).toMatchObject({ words: parts.length, distinct: counts.size })
      }),
      { numRuns: 20 },
    )
  })

  it('refuses what is no text and no locale', async () => {
    expect(problems(5)).toEqual(['must be string,object'])
    expect(problems({ top: 5 })).toEqual(["must have required property 'text'"])
    expect(problems({ text: '', top: 0 })).toEqual(['top must be >= 1'])
    expect(problems({ text: '', locale: 'not a locale' })).toHaveLength(1)
    await expect(frequencies({ text: 'a', locale: 'abcdefgh-x' })).rejects.toThrow(
      'locale: "abcdefgh-x" is no language tag of BCP 47',
    )
  })

  it('says how far it is, and ends early once its signal is aborted', async () => {
    const text = 'warp and weft '.repeat(1_000)
    const { context, said } = listeningContext()
    await frequencies(text, context)
    expect(said.length).toBeGreaterThan(10)
    expect(said).toEqual([...said].sort((a, b) => a - b))
    expect(said.at(-1)).toBeLessThan(1)
    const { context: aborted, looks } = abortedAtLook(2)
    expect(() => wordFrequencies.run(text, aborted)).toThrow('aborted')
    expect(looks()).toBe(2)
  })
})

describe('piecesOf', () => {
  const segmenter = new Intl.Segmenter('en', { granularity: 'word' })
  const inPieces = (text: string) => [...piecesOf(text)].flatMap((piece) => [...wordsIn(piece, segmenter)])

  it('cuts no word: the pieces have the words of the whole', () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.constantFrom(
        '3.14 ',
        "don't\n",
        '1,000\t',
        '東京都に住む、',
        '東京都に住む。',
        'e\u0301 ',
        ' \u0301a',
        'x'.repeat(700),
      ),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        const text = parts.join(' ').slice(0, 8_000)
        expect([...piecesOf(text)].join('')).toBe(text)
        expect(inPieces(text)).toEqual([...wordsIn(text, segmenter)])
      }),
      { numRuns: 200 },
    )
  })

  it('keeps pieces small, and looks far for an end only where there is none near', () => {
    const lengths = (text: string) => [...piecesOf(text)].map(({ length }) => length)
    expect(Math.max(...lengths('warp and weft '.repeat(1_000)))).toBeLessThanOrEqual(1_024)
    expect(lengths(`${'x'.repeat(5_000)} ${'y'.repeat(10)}`)).toEqual([5_000, 11])
    expect(lengths('x'.repeat(10_000))).toEqual([8_192, 1_808])
    // Pairs of surrogates stay whole.
    expect(lengths(`x${'🙂'.repeat(5_000)}`)).toEqual([8_191, 1_810])
  })
})
