/** What is counted of items, one after the other. */

import { isUnsendable, type Json, toFetchRequest } from '../domain/batch.js'
import { RequestKeys, urlOf } from '../domain/request-key.js'
import { isSafeMethod } from '../domain/requests.js'
import { canonicalText } from './canonical.js'
import { type CountRequest, type ItemCount, type ItemProblem, MAX_TOLD_PROBLEMS } from './counter.js'
import { Fingerprints } from './fingerprints.js'
import { HostCounter } from './hosts.js'
import { Picks } from './picks.js'

export class ItemTally {
  readonly #isFetch: boolean
  readonly #keys: RequestKeys
  readonly #seen = new Fingerprints(0)
  readonly #hosts = new HostCounter()
  readonly #picks: Picks
  readonly #problems: ItemProblem[] = []
  #duplicates = 0
  #unsafe = 0
  #problemCount = 0

  constructor({ source, use, picks }: Pick<CountRequest, 'source' | 'use' | 'picks'>) {
    this.#isFetch = use.kind === 'FETCH'
    this.#keys = new RequestKeys(use.kind === 'FETCH' ? use.headers : [])
    this.#picks = new Picks(source.count, picks)
  }

  /** To be called with each item that can be read, in their order. `problems`: why it cannot be computed with. */
  add(index: number, item: Json, problems: readonly Omit<ItemProblem, 'index'>[] = []): void {
    if (this.#isFetch) {
      for (const problem of problems) this.addProblem({ index, ...problem })
      this.#addRequest(index, item)
      return
    }
    if (!this.#seen.enter(canonicalText(item))) this.#duplicates += 1
    this.addDifferent(index, item, problems)
  }

  /** The same for an input of which it is known that no other is equal. */
  addDifferent(index: number, item: Json, problems: readonly Omit<ItemProblem, 'index'>[]): void {
    for (const problem of problems) this.addProblem({ index, ...problem })
    if (problems.length === 0) this.#picks.offer(index, item)
  }

  /** To be called in the place of one that cannot be read, too. */
  addProblem(problem: ItemProblem): void {
    this.#problemCount += 1
    if (this.#problems.length < MAX_TOLD_PROBLEMS) this.#problems.push(problem)
  }

  /** `itemAt`: the item at an index. */
  finish(itemAt: (index: number) => Json): ItemCount {
    return {
      duplicates: this.#duplicates,
      hosts: this.#hosts.top((index) => urlOf(toFetchRequest(itemAt(index)))?.host ?? null),
      hostCount: this.#hosts.size,
      unsafe: this.#unsafe,
      problems: this.#problems,
      problemCount: this.#problemCount,
      picked: this.#picks.list(),
    }
  }

  #addRequest(index: number, item: Json): void {
    const request = toFetchRequest(item)
    const url = isUnsendable(item) ? null : urlOf(request)
    if (url === null) return
    const isNew = this.#seen.enter(this.#keys.keyOf(request, url))
    const isSafe = isSafeMethod(request.method ?? 'GET')
    this.#hosts.add(url.host, index)
    if (!isNew) this.#duplicates += 1
    if (!isSafe) this.#unsafe += 1
    if (isNew && isSafe) this.#picks.offer(index, item)
  }
}
