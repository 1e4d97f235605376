/** Many requests share one signal: it gets one listener, not one for each of them. */

/** Something under way that a signal ends. It belongs to one group at most. */
export interface Abortable {
  /** Its place in the group, -1 outside; the group's own business. */
  place: number
  abort(): void
}

/**
 * An array and no Set: at some hundred thousand additions a minute the tables that a Set leaves behind keep each other,
 * and what was in them, alive until the next full garbage collection.
 */
export class AbortGroup {
  readonly #members: Abortable[] = []

  add(member: Abortable): void {
    member.place = this.#members.push(member) - 1
  }

  delete(member: Abortable): void {
    const { place } = member
    if (place < 0) return
    member.place = -1
    const last = this.#members.pop()
    if (last === undefined || last === member) return
    this.#members[place] = last
    last.place = place
  }

  abortAll(): void {
    for (const member of [...this.#members]) member.abort()
  }
}

export class Aborts {
  readonly #groups = new WeakMap<AbortSignal, AbortGroup>()
  #lastSignal: AbortSignal | null = null
  #lastGroup = new AbortGroup()

  /** The group that is aborted with the signal; members leave it by delete. */
  groupOf(signal: AbortSignal): AbortGroup {
    if (signal === this.#lastSignal) return this.#lastGroup
    this.#lastSignal = signal
    this.#lastGroup = this.#groups.get(signal) ?? this.#watch(signal)
    return this.#lastGroup
  }

  #watch(signal: AbortSignal): AbortGroup {
    const group = new AbortGroup()
    this.#groups.set(signal, group)
    signal.addEventListener('abort', () => group.abortAll(), { once: true })
    return group
  }
}
