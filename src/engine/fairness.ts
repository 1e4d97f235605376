/** Who gets how many of the server's lanes: by priority first, evenly within one. Pure, so that it can be tested whole. */

export interface Turn {
  readonly priority: number
  /** Lane time it has had so far: who has had least comes first where there is not enough for all. */
  readonly servedMs: number
}

export interface Claim extends Turn {
  /** Lanes that the run could use now. */
  readonly want: number
}

/** How many lanes each claim may hold, in the order of the claims: max-min fair within a priority. */
export function allocateLanes(claims: readonly Claim[], capacity: number): number[] {
  const shares = claims.map(() => 0)
  let left = capacity
  const order = claims.map((_, at) => at).sort((a, b) => byTurn(claims[a]!, claims[b]!))
  for (let start = 0; start < order.length && left > 0; ) {
    const priority = claims[order[start]!]!.priority
    let end = start
    while (end < order.length && claims[order[end]!]!.priority === priority) end += 1
    left -= fill(order.slice(start, end), { claims, shares, capacity: left })
    start = end
  }
  return shares
}

/** Whose turn it is: before those who come after it in this order. */
export function byTurn(a: Turn, b: Turn): number {
  return b.priority - a.priority || a.servedMs - b.servedMs
}

/** Gives one lane a round to each that wants more; answers with how many it gave. */
function fill(members: number[], pool: { claims: readonly Claim[]; shares: number[]; capacity: number }): number {
  let given = 0
  for (let hungry = members; hungry.length > 0 && given < pool.capacity; ) {
    hungry = hungry.filter((at) => pool.shares[at]! < pool.claims[at]!.want)
    for (const at of hungry) {
      if (given === pool.capacity) break
      pool.shares[at] = pool.shares[at]! + 1
      given += 1
    }
  }
  return given
}
