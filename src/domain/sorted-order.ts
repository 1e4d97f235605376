/** The order of numbers that come in ascending runs, or nearly: runs are found and merged, two and two, without comparing by a function. */

/** Places of the first `count` values, the smallest value first; equal ones keep their order. */
export function sortedOrder(values: Float64Array, count: number): Uint32Array {
  let order = new Uint32Array(count)
  for (let at = 0; at < count; at += 1) order[at] = at
  let merged = new Uint32Array(count)
  for (let ends = endsOfRuns(values, count); ends.length > 1; ends = everySecond(ends)) {
    let begin = 0
    for (let run = 0; run < ends.length; run += 2) {
      const middle = ends[run]!
      const end = ends[run + 1] ?? middle
      mergeRuns(values, { order, merged }, { begin, middle, end })
      begin = end
    }
    ;[order, merged] = [merged, order]
  }
  return order
}

/** Where each ascending run ends, the last one at `count`. */
function endsOfRuns(values: Float64Array, count: number): number[] {
  const ends: number[] = []
  for (let at = 1; at < count; at += 1) if (values[at]! < values[at - 1]!) ends.push(at)
  return [...ends, count]
}

/** Of pairs that became one; a last one without a partner stays. */
function everySecond(ends: readonly number[]): number[] {
  return ends.filter((_, run) => run % 2 === 1 || run === ends.length - 1)
}

function mergeRuns(
  values: Float64Array,
  { order, merged }: { order: Uint32Array; merged: Uint32Array },
  { begin, middle, end }: { begin: number; middle: number; end: number },
): void {
  let left = begin
  let right = middle
  for (let at = begin; at < end; at += 1) {
    const takesLeft = right >= end || (left < middle && values[order[left]!]! <= values[order[right]!]!)
    merged[at] = order[takesLeft ? left++ : right++]!
  }
}
