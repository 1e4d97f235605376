/** How long tasks take together, from what one takes: wall times before there are any. */

export interface SharedWork {
  tasks: number
  taskMs: number
  /** That work at the same time. */
  lanes: number
  /** After the first one has its first task: when the others have theirs. */
  laneMs: number
}

/**
 * From the first start to the last end of tasks of equal length, on a lane that is there and others that come later: each takes the
 * next task when it has ended one.
 */
export function makespanMs({ tasks, taskMs, lanes, laneMs }: SharedWork): number {
  if (tasks === 0 || taskMs <= 0) return 0
  const others = Math.max(0, lanes - 1)
  const endedBy = (ms: number) => endedIn(ms, taskMs) + others * endedIn(ms - laneMs, taskMs)
  // As if tasks could be cut in pieces: it takes no less.
  const leastMs = Math.min(tasks * taskMs, (tasks * taskMs + others * laneMs) / (others + 1))
  // The last task ends when a lane has ended a whole number of them: the first one, or one that came later.
  const endOn = (fromMs: number) => {
    let count = Math.max(1, Math.floor((leastMs - fromMs) / taskMs))
    while (endedBy(fromMs + count * taskMs) < tasks) count += 1
    return fromMs + count * taskMs
  }
  return others === 0 ? endOn(0) : Math.min(endOn(0), endOn(laneMs))
}

/** Tasks that a lane ends in this time; the end of one is not to be missed by a bit of a floating point number. */
function endedIn(ms: number, taskMs: number): number {
  return ms <= 0 ? 0 : Math.floor((ms / taskMs) * (1 + 1e-9))
}

/** Requests that are to be sent, and what holds them back. */
export interface FetchLoad {
  requests: number
  /** In flight at most. */
  concurrency: number
  /** Requests of the host that has the most. */
  mostToOneHost: number
  /** Null: no limit, as the next two. */
  perHostConcurrency: number | null
  /** What the server allows to the host that has the most, over all runs. */
  serverHostConcurrency: number | null
  /** Requests a second. */
  perHostRate: number | null
}

/** What one request takes. */
export interface FetchCost {
  serviceMs: number
  /** Of a connection that is new: besides. */
  connectMs: number
  /** What it keeps its event loop busy, where it is one of many. */
  busyMs: number
}

/** CPU time that a request takes more by itself than as one of many: to wake up for it, and in code that is not compiled yet. */
const LONE_REQUEST_MS = 0.5
/** What it takes at least, with next to no body. */
const LEAST_BUSY_MS = 0.05
/** A new connection, besides. */
const CONNECTION_BUSY_MS = 0.4

/** See FetchCost. `loneMs`: CPU time of the lane where it was the only one. */
export function busyMsOf(loneMs: number): number {
  return Math.max(LEAST_BUSY_MS, loneMs - LONE_REQUEST_MS)
}

/** What sets the pace of requests. */
export const Pace = {
  CONCURRENCY: 'CONCURRENCY',
  HOST_CONCURRENCY: 'HOST_CONCURRENCY',
  SERVER_HOST_CONCURRENCY: 'SERVER_HOST_CONCURRENCY',
  HOST_RATE: 'HOST_RATE',
  EVENT_LOOP: 'EVENT_LOOP',
} as const
export type Pace = (typeof Pace)[keyof typeof Pace]

export interface FetchForecast {
  wallMs: number
  pace: Pace
}

/** Starts to one host lie a little further apart than its rate says. */
const RATE_SPACING = 1.02

/** The longest of what the limits take each by itself. */
export function fetchForecast(load: FetchLoad, { serviceMs, connectMs, busyMs }: FetchCost): FetchForecast {
  const { requests, concurrency, mostToOneHost, perHostConcurrency, serverHostConcurrency, perHostRate } = load
  const roundsMs = (count: number, atOnce: number) => Math.ceil(count / atOnce) * serviceMs + connectMs
  const bounds: [Pace, number][] = [
    ['CONCURRENCY', roundsMs(requests, Math.max(1, concurrency))],
    ['EVENT_LOOP', requests * busyMs + Math.min(requests, concurrency) * CONNECTION_BUSY_MS],
  ]
  if (perHostConcurrency !== null) bounds.push(['HOST_CONCURRENCY', roundsMs(mostToOneHost, perHostConcurrency)])
  if (serverHostConcurrency !== null)
    bounds.push(['SERVER_HOST_CONCURRENCY', roundsMs(mostToOneHost, serverHostConcurrency)])
  if (perHostRate !== null) {
    const spacingMs = (1_000 / perHostRate) * RATE_SPACING
    bounds.push(['HOST_RATE', Math.max(0, mostToOneHost - 1) * spacingMs + serviceMs + connectMs])
  }
  const [pace, wallMs] = bounds.reduce((most, bound) => (bound[1] > most[1] ? bound : most))
  return { wallMs, pace }
}
