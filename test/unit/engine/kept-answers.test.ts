import { describe, expect, it } from 'vitest'
import { KeptAnswers } from '../../../src/engine/kept-answers.js'

/** Reads that a test counts. */
function setup(max: number) {
  const kept = new KeptAnswers<string>(max)
  const reads: string[] = []
  const ask = (runId: number, question: string) =>
    kept.get(runId, question, async () => {
      reads.push(`${runId} ${question}`)
      return `answer ${reads.length}`
    })
  return { kept, reads, ask }
}

describe('KeptAnswers', () => {
  it('read once for each run and question', async () => {
    const { ask, reads } = setup(9)
    expect(await Promise.all([ask(1, 'a'), ask(1, 'a')])).toEqual(['answer 1', 'answer 1'])
    expect([await ask(1, 'b'), await ask(11, 'a'), await ask(1, 'a')]).toEqual(['answer 2', 'answer 3', 'answer 1'])
    expect(reads).toEqual(['1 a', '1 b', '11 a'])
  })

  it('forget the one that was not asked for the longest', async () => {
    const { ask, reads } = setup(2)
    for (const question of ['a', 'b', 'a', 'c', 'a', 'b']) await ask(1, question)
    expect(reads).toEqual(['1 a', '1 b', '1 c', '1 b'])
  })

  it('forget all of a run that was deleted, and of no other', async () => {
    const { kept, ask, reads } = setup(9)
    for (const runId of [1, 11, 2]) await ask(runId, 'a')
    await ask(1, 'b')
    kept.forget(1)
    for (const runId of [11, 2]) await ask(runId, 'a')
    expect(reads).toHaveLength(4)
    await ask(1, 'a')
    await ask(1, 'b')
    expect(reads).toHaveLength(6)
  })

  it('read again what could not be read', async () => {
    const kept = new KeptAnswers<string>(2)
    await expect(kept.get(1, 'a', () => Promise.reject(new Error('the disk cannot be read')))).rejects.toThrow(
      'the disk',
    )
    expect(await kept.get(1, 'a', async () => 'there')).toBe('there')
  })
})
