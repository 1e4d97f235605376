/** Answers about ended runs, kept at hand: such a run does not change, and its page is often asked for again. */

export class KeptAnswers<Answer> {
  readonly #answers = new Map<string, Promise<Answer>>()

  /** `max`: answers kept; the one that was not asked for the longest goes first. */
  constructor(private readonly max: number) {}

  /** What `read` answers with, or has answered with before. What could not be read is read again. */
  get(runId: number, question: string, read: () => Promise<Answer>): Promise<Answer> {
    const key = `${runId} ${question}`
    const kept = this.#answers.get(key) ?? read()
    // Put back at the end: the first key is the one that was not asked for the longest.
    this.#answers.delete(key)
    this.#answers.set(key, kept)
    kept.catch(() => this.#answers.delete(key))
    const [oldest] = this.#answers.keys()
    if (this.#answers.size > this.max && oldest !== undefined) this.#answers.delete(oldest)
    return kept
  }

  /** The run was deleted. */
  forget(runId: number): void {
    for (const key of this.#answers.keys()) if (key.startsWith(`${runId} `)) this.#answers.delete(key)
  }
}
