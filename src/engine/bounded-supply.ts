/** Back-pressure: a stage is handed out no more than the next one has room for. */

import type { Batch, Supply } from './supply.js'
import { SupplyAround } from './supply-around.js'

/** The supply of a stage that has one after it: no more is handed out than that one has room for. */
export class BoundedSupply extends SupplyAround {
  /** `room`: for how many more there is, those on their way apart. */
  constructor(
    inner: Supply,
    private readonly room: () => number,
  ) {
    super(inner)
  }

  get ready(): number {
    const { ready } = this.inner
    return ready === 0 ? 0 : Math.max(0, Math.min(ready, this.room()))
  }

  take(max: number, slots?: number): Batch | null {
    const count = Math.min(max, this.room())
    return count > 0 ? this.inner.take(count, slots) : null
  }
}
