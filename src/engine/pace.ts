/** How closely supplies keep to the pace of hosts. */

/** A timer rings no oftener than this: what became due meanwhile is made up for. */
export const MIN_RING_MS = 4
/** From being handed out to being started: what takes longer has not kept to its host's pace. */
export const MAX_START_MS = 20
