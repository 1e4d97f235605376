/** What a launch would do, before it is launched. */

import type { StrategyAdvice } from './advice.js'
import type { UserError } from './problems.js'

/** A host, and how many items go to it. */
export interface HostCount {
  /** URL.host: with its port where that is not the scheme's own. */
  host: string
  items: number
}

export interface BatchPlan {
  /** Items, as far as they are known. */
  total: number
  /** Items that repeat an earlier one. */
  duplicates: number
  /** The first ones, most items first. */
  hosts: HostCount[]
  /** Different hosts, also those that are not named. */
  hostCount: number
  /** Null where a launch would be refused. */
  advice: StrategyAdvice<object> | null
  userErrors: UserError[]
}

/** Hosts that a plan names. */
export const MAX_NAMED_HOSTS = 1_000
