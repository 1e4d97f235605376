/** How often somebody may ask, in a minute. */

import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

export interface RateLimit {
  /** Counts one request of `who`. Resolves with null, or with the time in milliseconds after which there is room again. */
  take(who: string): Promise<number | null>
}

const UNLIMITED: RateLimit = { take: async () => null }

/** Null: no limit. A minute begins with the first request of those that it counts. */
export function createRateLimit(perMinute: number | null): RateLimit {
  if (perMinute === null) return UNLIMITED
  const limiter = new RateLimiterMemory({ points: perMinute, duration: 60 })
  return {
    async take(who) {
      try {
        await limiter.consume(who)
        return null
      } catch (refused) {
        if (refused instanceof RateLimiterRes) return refused.msBeforeNext
        throw refused
      }
    },
  }
}
