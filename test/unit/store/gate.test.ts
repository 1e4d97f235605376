import { describe, expect, it } from 'vitest'
import { WriteGate } from '../../../src/store/gate.js'

/** Work that says when it begins and ends when it is told to. */
function setUp() {
  const gate = new WriteGate()
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const work = (name: string) => () => {
    begun.push(name)
    return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
  }
  /** Lets it end, and what waited for that begin. */
  const end = async (name: string, whole: Promise<unknown>) => {
    ends.get(name)!()
    await whole
    await Promise.resolve()
  }
  return { gate, begun, work, end }
}

describe('WriteGate', () => {
  it('begins commits at once and beside each other', async () => {
    const { gate, begun, work, end } = setUp()
    const a = gate.commit(work('a'))
    const b = gate.commit(work('b'))
    expect(begun).toEqual(['a', 'b'])
    await end('b', b)
    await end('a', a)
    expect(await Promise.all([a, b])).toEqual(['a', 'b'])
  })

  it('lets an exclusive section begin when the commits before it have ended, and holds those after it', async () => {
    const { gate, begun, work, end } = setUp()
    const a = gate.commit(work('a'))
    const b = gate.commit(work('b'))
    const launch = gate.exclusive(work('launch'))
    const c = gate.commit(work('c'))
    expect(begun).toEqual(['a', 'b'])
    await end('a', a)
    expect(begun).toEqual(['a', 'b'])
    await end('b', b)
    expect(begun).toEqual(['a', 'b', 'launch'])
    await end('launch', launch)
    expect(begun).toEqual(['a', 'b', 'launch', 'c'])
    await end('c', c)
  })

  it('runs exclusive sections one after the other', async () => {
    const { gate, begun, work, end } = setUp()
    const one = gate.exclusive(work('one'))
    const two = gate.exclusive(work('two'))
    expect(begun).toEqual(['one'])
    await end('one', one)
    expect(begun).toEqual(['one', 'two'])
    await end('two', two)
  })

  it('opens again after work that fails', async () => {
    const { gate, begun, work, end } = setUp()
    const broken = async () => {
      throw new Error('broken')
    }
    await expect(gate.exclusive(broken)).rejects.toThrow('broken')
    await expect(gate.commit(broken)).rejects.toThrow('broken')
    const launch = gate.exclusive(work('launch'))
    expect(begun).toEqual(['launch'])
    await end('launch', launch)
  })
})
