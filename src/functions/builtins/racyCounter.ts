import type { ComputeFunction } from '../function.js'
import { counterFunction } from './counting.js'

/** Shared state without synchronization, the third of the chapter's pitfalls, on purpose. */
export const racyCounter: ComputeFunction = counterFunction(
  {
    name: 'racyCounter',
    description: [
      'What goes wrong with shared state, to be seen beside atomicCounter: so many threads (2 to 8; 8 if not said) begin together',
      'and each adds 1 so often (increments, to 10,000,000; 1,000,000 if not said) to a number in memory that all of them share, by',
      'reading it, adding and writing it back. What another one has written in between is overwritten: lost says how much,',
      'expected - counted. Different each time; little or nothing where the threads do not meet, as with few increments. The',
      "threads are the function's own, one call after the other in a lane; 8,000,000 increments take some 0.2 s.",
    ].join(' '),
  },
  (counter, increments) => {
    for (let i = 0; i < increments; i += 1) counter[0] = counter[0]! + 1
  },
)
