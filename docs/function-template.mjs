// A function of your own: copy this file into the folder that HEDDLE_FUNCTIONS_DIR names, and change it.
// All of it is told in functions.md, beside this file.
import { setImmediate as turn } from 'node:timers/promises'

// How long the loop may keep its lane to itself. Meanwhile the lane hears of nothing, no time-out and no end of the run.
const TURN_MS = 10

export default {
  // What a launch calls it by.
  name: 'longestCollatz',

  // What Query.functions tells: units, limits, method, and how exact the answer is.
  description:
    'The number below n from which the Collatz sequence (half of an even number, one more than three times an odd one) takes most steps to 1, the smallest of several. Exact. n up to 3,000,000, which take some seconds.',

  // Which inputs are taken. Others are refused at the launch; run need not look for them. A whole number can come from a range.
  inputSchema: { type: 'integer', minimum: 2, maximum: 3_000_000 },

  // What the output looks like, for those who read it.
  outputSchema: {
    type: 'object',
    properties: { number: { type: 'integer', minimum: 1 }, steps: { type: 'integer', minimum: 0 } },
    required: ['number', 'steps'],
    additionalProperties: false,
  },

  // An input that works.
  example: 100_000,

  // A short function need not be async, nor look at its context: `run: (n) => n * n` is one.
  async run(n, { signal, progress }) {
    let longest = { number: 1, steps: 0 }
    let turnEndsMs = performance.now() + TURN_MS
    for (let number = 2; number < n; number += 1) {
      if (number % 100 === 0 && performance.now() >= turnEndsMs) {
        // Shown as TaskInFlight.progress.
        progress(number / n)
        // Lets the lane hear of what has happened, and ends where the task has timed out or its run has ended.
        await turn()
        signal.throwIfAborted()
        turnEndsMs = performance.now() + TURN_MS
      }
      const steps = stepsToOne(number)
      if (steps > longest.steps) longest = { number, steps }
    }
    return longest
  },
}

// Numbers stay below 2^53 on their way, from all numbers below 3,000,000.
function stepsToOne(start) {
  let steps = 0
  for (let number = start; number > 1; number = number % 2 === 0 ? number / 2 : 3 * number + 1) steps += 1
  return steps
}
