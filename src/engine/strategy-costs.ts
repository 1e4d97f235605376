/** What strategies cost on this machine: measured when it is first asked for, and known from then on. */

import { type StrategyCost, strategyCosts } from '../domain/strategy-cost.js'
import type { LanePool } from '../lanes/lane.js'

export class StrategyCosts {
  #known: Promise<StrategyCost[]> | null = null

  /** `cores`: those that the server may use. */
  constructor(
    private readonly lanes: Pick<LanePool, 'measure'>,
    private readonly cores: number,
  ) {}

  /** All who ask while it is being measured wait for the same figures. What could not be measured is measured for the next one. */
  get(): Promise<StrategyCost[]> {
    if (this.#known) return this.#known
    const measuring = this.#measure()
    this.#known = measuring
    measuring.catch(() => {
      this.#known = null
    })
    return measuring
  }

  async #measure(): Promise<StrategyCost[]> {
    return strategyCosts(await this.lanes.measure(), this.cores)
  }
}
