/** How much of something one answer may have, over all fields that ask for it. */

export class AnswerBudget {
  /**
   * What answers have taken. GraphQL makes the object of the variables anew for each answer, those of a subscription's events among
   * them, and the context once for all of these: so `answer` is that object.
   */
  readonly #taken = new WeakMap<object, number>()

  constructor(readonly max: number) {}

  /** What the answer has taken so far. */
  takenBy(answer: object): number {
    return this.#taken.get(answer) ?? 0
  }

  /** False where the answer would have more than it may: then it takes nothing. */
  take(answer: object, amount: number): boolean {
    const sum = this.takenBy(answer) + amount
    if (sum > this.max) return false
    this.#taken.set(answer, sum)
    return true
  }
}
