/** How many subscriptions one identity may have open at once, over all its connections. */

import { type ExecutionResult, subscribe } from 'graphql'
import type { ApiContext } from '../graphql/context.js'
import { rateLimited } from '../graphql/errors.js'

type Subscribe = typeof subscribe
type Events = AsyncGenerator<ExecutionResult, void, void>
type Step = IteratorResult<ExecutionResult, void>

/** graphql's own `subscribe`, which refuses with RATE_LIMITED what is one too many. */
export function limitedSubscribe(max: number): Subscribe {
  const open = new Map<string, number>()
  const change = (space: string, by: number) => {
    const count = (open.get(space) ?? 0) + by
    if (count === 0) open.delete(space)
    else open.set(space, count)
  }
  return async (args) => {
    const { space } = args.contextValue as ApiContext
    if ((open.get(space) ?? 0) >= max) {
      const message = `This token has ${max} subscriptions open, and may have no more: end one of them first`
      return { errors: [rateLimited(message, null)] }
    }
    change(space, 1)
    const release = once(() => change(space, -1))
    try {
      const subscribed = await subscribe(args)
      if (Symbol.asyncIterator in subscribed) return releasing(subscribed, release)
      release()
      return subscribed
    } catch (error) {
      release()
      throw error
    }
  }
}

/** The events as they are; `release` is called at their end, and at once where nobody wants more of them. */
function releasing(events: Events, release: () => void): Events {
  const watched = async (coming: Promise<Step>) => {
    try {
      const step = await coming
      if (step.done) release()
      return step
    } catch (error) {
      release()
      throw error
    }
  }
  const released: AsyncIterator<ExecutionResult, void> & AsyncIterable<ExecutionResult> = {
    next: () => watched(events.next()),
    return: () => {
      release()
      return events.return()
    },
    throw: (error: unknown) => {
      release()
      return events.throw(error)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
  return released as Events
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    act()
  }
}
