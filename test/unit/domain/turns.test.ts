import { describe, expect, it } from 'vitest'
import { Turns } from '../../../src/domain/turns.js'

const patient = () => new AbortController().signal

/** Takes a turn; tells in `log` when it has come. */
async function take(turns: Turns, name: string, log: string[], signal = patient()) {
  const end = await turns.take(signal)
  log.push(name)
  return end
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('Turns', () => {
  it('come so many at a time, in the order in which they were asked for', async () => {
    const turns = new Turns(2)
    const log: string[] = []
    const first = await take(turns, 'first', log)
    await take(turns, 'second', log)
    const third = take(turns, 'third', log)
    void take(turns, 'fourth', log)
    await settle()
    expect(log).toEqual(['first', 'second'])
    first()
    const endThird = await third
    await settle()
    expect(log).toEqual(['first', 'second', 'third'])
    endThird()
    await settle()
    expect(log).toEqual(['first', 'second', 'third', 'fourth'])
  })

  it('go to nobody twice, however often one is ended', async () => {
    const turns = new Turns(1)
    const log: string[] = []
    const end = await take(turns, 'first', log)
    end()
    end()
    await take(turns, 'second', log)
    void take(turns, 'third', log)
    await settle()
    expect(log).toEqual(['first', 'second'])
  })

  it('pass over who has left the line', async () => {
    const turns = new Turns(1)
    const log: string[] = []
    const end = await take(turns, 'first', log)
    const leaving = new AbortController()
    const left = expect(take(turns, 'second', log, leaving.signal)).rejects.toThrow('no time')
    void take(turns, 'third', log)
    leaving.abort(new Error('no time'))
    await left
    end()
    await settle()
    expect(log).toEqual(['first', 'third'])
  })

  it('are for nobody who had left before', async () => {
    const turns = new Turns(1)
    await expect(turns.take(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    await expect(turns.take(patient())).resolves.toBeTypeOf('function')
  })

  it('stay with who has one, whoever loses patience then', async () => {
    const turns = new Turns(1)
    const log: string[] = []
    const patience = new AbortController()
    const end = await take(turns, 'first', log)
    const second = take(turns, 'second', log, patience.signal)
    end()
    await second
    patience.abort()
    void take(turns, 'third', log)
    await settle()
    expect(log).toEqual(['first', 'second'])
  })
})
