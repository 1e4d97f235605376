import { setImmediate as turn } from 'node:timers/promises'
import { brotliCompressSync, constants } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { TaskFailure } from '../../../src/domain/errors.js'
import type { Fetcher } from '../../../src/fetching/fetcher.js'
import { createFetcher } from '../../../src/fetching/http.js'
import { BodyMemory, type Holder } from '../../../src/fetching/memory.js'
import { Pieces } from '../../../src/fetching/pieces.js'
import { Windows, windowBytesOf } from '../../../src/fetching/windows.js'
import { head, type RawOrigin, startRawOrigin } from '../../support/raw-origin.js'
import { get } from './client.js'

describe('Pieces', () => {
  it('are the same bytes in the same order, however they come, and few', () => {
    const sizes = fc.array(fc.oneof(fc.nat(20), fc.nat(5_000), fc.nat(40_000)), { maxLength: 50 })
    fc.assert(
      fc.property(sizes, (list) => {
        const pieces = new Pieces()
        const given = list.map((size, at) => Buffer.alloc(size, at + 1))
        for (const piece of given) pieces.add(piece)
        const whole = Buffer.concat(given)
        expect(pieces.bytes).toBe(whole.length)
        expect(pieces.join().equals(whole)).toBe(true)
        const taken = pieces.take()
        expect(Buffer.concat(taken).equals(whole)).toBe(true)
        expect(taken.length).toBeLessThanOrEqual(2 + (2 * whole.length) / 4_096)
        expect(pieces.bytes).toBe(0)
      }),
    )
  })

  it('do not copy a body in one piece', () => {
    const pieces = new Pieces()
    const only = Buffer.from('only')
    pieces.add(only)
    expect(pieces.join()).toBe(only)
  })
})

describe('BodyMemory', () => {
  const holder = () => ({ heldBytes: 0, giveUp: vi.fn<(failure: TaskFailure) => void>() }) satisfies Holder

  it('has the one give up that holds most, where all hold too much', () => {
    const memory = new BodyMemory(200)
    const [small, large, last] = [holder(), holder(), holder()]
    memory.hold(small, 30)
    memory.hold(large, 50)
    memory.hold(last, 20)
    memory.hold(small, 1)
    expect(large.giveUp).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({ code: 'OUT_OF_MEMORY', retryable: false }),
    )
    expect(large.heldBytes).toBe(0)
    memory.hold(last, 49)
    memory.hold(last, 1)
    expect(last.giveUp).toHaveBeenCalledOnce()
    expect(small.giveUp).not.toHaveBeenCalled()
  })

  it('forgets what is released', () => {
    const memory = new BodyMemory(200)
    const [one, other] = [holder(), holder()]
    memory.hold(one, 100)
    memory.release(one)
    memory.release(one)
    memory.hold(other, 100)
    expect(other.giveUp).not.toHaveBeenCalled()
  })
})

describe('Windows', () => {
  it('have room one after the other, in the order in which they were asked for', () => {
    const windows = new Windows(10)
    const granted: string[] = []
    const claim = (name: string, bytes: number) => windows.claim(bytes, () => granted.push(name))
    const large = claim('larger than all there is', 16)
    const second = claim('second', 6)
    const third = claim('third', 4)
    claim('fourth', 1)
    expect(granted).toEqual(['larger than all there is'])
    large.release()
    expect(granted.slice(1)).toEqual(['second', 'third'])
    third.release()
    third.release()
    expect(granted.slice(3)).toEqual(['fourth'])
    second.release()
  })

  it('pass over those that gave up', () => {
    const windows = new Windows(10)
    const [first, gone, next] = [vi.fn(), vi.fn(), vi.fn()]
    const held = windows.claim(10, first)
    windows.claim(10, gone).release()
    windows.claim(10, next)
    held.release()
    expect(gone).not.toHaveBeenCalled()
    expect(next).toHaveBeenCalledOnce()
  })

  it.each([16, 17, 18, 19, 20, 21, 22, 23, 24])('are told by the first byte of a body: 2^%i', (bits) => {
    const params = { [constants.BROTLI_PARAM_LGWIN]: bits, [constants.BROTLI_PARAM_SIZE_HINT]: 2 ** 24 }
    // It is smaller where the content is: there must be enough of it.
    const body = brotliCompressSync(Buffer.alloc(2 ** bits + 1), { params })
    expect(windowBytesOf(body)).toBe(2 ** bits)
  })

  it('are as large as they may be where nothing is known', () => {
    expect(windowBytesOf(undefined)).toBe(2 ** 24)
    expect(windowBytesOf(Buffer.alloc(0))).toBe(2 ** 24)
    // The mark of a window that HTTP does not have.
    expect(windowBytesOf(Buffer.from([0x11]))).toBe(2 ** 24)
  })
})

describe('a lane whose bodies do not fit into its memory', () => {
  let origin: RawOrigin
  let fetcher: Fetcher
  afterEach(async () => {
    await fetcher.close()
    await origin.close()
  })

  it('decodes one after the other what looks back far', async () => {
    const body = brotliCompressSync(Buffer.alloc(3_000_000, 'abc'), {
      params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 2 },
    })
    let rest: (() => void)[] = []
    origin = await startRawOrigin((socket) => {
      socket.write(head('200 OK', 'content-encoding: br', `content-length: ${body.length}`))
      socket.write(body.subarray(0, 20))
      rest.push(() => socket.write(body.subarray(20)))
    })
    fetcher = createFetcher({ allow: ['127.0.0.1'], memoryMb: 2 })
    const running = Array.from({ length: 5 }, () => get(fetcher, `${origin.url}/`))
    while (rest.length < 5) await turn()
    for (const send of rest) send()
    rest = []
    for (const { error, detail } of await Promise.all(running)) {
      expect(error).toBeNull()
      expect(detail.bytes).toBe(3_000_000)
    }
  })

  it('lets those go on that hold less', async () => {
    const halves: (() => void)[] = []
    origin = await startRawOrigin((socket, path) => {
      const length = Number(path.slice(1))
      socket.write(head('200 OK', `content-length: ${length}`))
      socket.write('x'.repeat(length - 1))
      halves.push(() => socket.write('x'))
    })
    fetcher = createFetcher({ allow: ['127.0.0.1'], memoryMb: 2 })
    const options = { bodyPolicy: 'TEXT' as const }
    const large = get(fetcher, `${origin.url}/900000`, { options })
    const small = [1, 2, 3].map(() => get(fetcher, `${origin.url}/100000`, { options }))
    expect((await large).error).toMatchObject({ code: 'OUT_OF_MEMORY' })
    while (halves.length < 4) await turn()
    for (const send of halves) send()
    for (const { error } of await Promise.all(small)) expect(error).toBeNull()
  })
})
