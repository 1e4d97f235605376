/**
 * A grant that can be taken back at once, also from a lane that is busy: the lane claims each item before it starts it, in
 * memory that both sides share. Threads only.
 */

const CLAIMED = 0
/** In the place of the number of claimed items. */
const TAKEN_BACK = -1

export function createClaims(): SharedArrayBuffer {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)
}

/** The lane's side. */
export class Claimant {
  readonly #cells: Int32Array

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory)
  }

  /** Whether the item at this place of the grant may be started; places come in order, from 0. */
  claim(place: number): boolean {
    return Atomics.compareExchange(this.#cells, CLAIMED, place, place + 1) === place
  }
}

/** The server's side: whether the lane has begun all of the grant's items. */
export function isUsedUp(memory: SharedArrayBuffer, count: number): boolean {
  return Atomics.load(new Int32Array(memory), CLAIMED) >= count
}

/** The server's side: from now on the lane starts none. Answers with how many it has started; all of them where it was called before. */
export function takeBack(memory: SharedArrayBuffer, count: number): number {
  const claimed = Atomics.exchange(new Int32Array(memory), CLAIMED, TAKEN_BACK)
  return claimed === TAKEN_BACK ? count : claimed
}
