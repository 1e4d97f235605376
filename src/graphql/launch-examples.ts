/** Operations that launch something, plan it or take it away: tabs of GraphiQL. */

import { COMPARISON_ID, type Example, RUN_ID } from './example.js'

export const LAUNCH_EXAMPLES: readonly Example[] = [
  {
    query: `# Launch a compute batch in worker threads:
# the sums of the squares below 10, 20 and 30 million.
# It will be judged by its budget: see Run.budget.
mutation LaunchCompute {
  launchComputeBatch(
    input: {
      function: "sumOfSquares"
      source: { inputs: [10000000, 20000000, 30000000] }
      options: { name: "three sums", strategy: THREADS, budget: { wallMs: 5000, failureRate: 0 } }
    }
  ) {
    run {
      id
      status
      progress {
        total
      }
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# The same over a range, with the outputs folded into one:
# costs the same to launch whatever its size.
mutation LaunchRange {
  launchComputeBatch(
    input: {
      function: "countPrimes"
      source: { range: { from: 1000, to: 2000 } }
      reduce: SUM
      options: { labels: [{ name: "project", value: "primes" }], idempotencyKey: "primes-1" }
    }
  ) {
    deduplicated
    run {
      id
      request
      reduction
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Items flow through stages: fetched, then looked at as soon as each page is there.
mutation LaunchPipeline {
  launchPipeline(
    input: {
      source: { urls: ["https://example.com/"] }
      stages: [
        { fetch: { fetch: { bodyPolicy: TEXT } } }
        { compute: { function: "htmlSummary" } }
        { compute: { function: "wordFrequencies", inputFrom: "/text" } }
      ]
    }
  ) {
    run {
      id
      stages {
        name
        progress {
          done
          total
        }
      }
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Functions take more than numbers. These two run for some seconds: WatchRun shows how far each says it is.
mutation LaunchPi {
  launchComputeBatch(
    input: {
      function: "monteCarloPi"
      source: { inputs: [{ samples: 1000000000, seed: 1 }, { samples: 1000000000, seed: 2 }] }
      options: { name: "pi twice", strategy: PROCESSES }
    }
  ) {
    run {
      id
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Launch a fetch batch: URLs, requests written out,
# or a template with {i} where the number goes.
mutation LaunchFetch($input: LaunchFetchBatchInput!) {
  launchFetchBatch(input: $input) {
    run {
      id
      status
      request
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: {
      input: {
        source: { template: { template: 'https://example.com/?page={i}', from: 1, to: 10 } },
        fetch: { bodyPolicy: 'DISCARD', maxBytes: 1_000_000 },
        options: { name: 'ten pages', strategy: 'ASYNC', concurrency: 5, timeoutMs: 10_000, retry: { maxAttempts: 2 } },
      },
    },
  },
  {
    query: `# Run one batch under several strategies, each four times and with all lanes to itself,
# to see which one suits it.
mutation LaunchComparison {
  launchComparison(
    input: {
      batch: { compute: { function: "countPrimes", source: { range: { from: 20000000, to: 20000008 } } } }
      strategies: [SEQUENTIAL, ASYNC, THREADS, PROCESSES]
      rounds: 4
      name: "primes, four ways"
    }
  ) {
    comparison {
      id
      runs {
        id
        strategy
      }
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# What a launch would do: nothing is launched,
# and a few tasks are tried for some milliseconds.
query PlanSums {
  planBatch(batch: { compute: { function: "sumOfSquares", source: { inputs: [10000000, 20000000, 30000000] } } }) {
    total
    duplicates
    hosts {
      host
      items
    }
    advice {
      strategy
      concurrency
      lanes
      reasons
      expectedWallMs
      expectedWallHighMs
      probe
    }
    userErrors {
      code
      message
      field
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Have a run stand still: resumeRun has it go on, cancelRun ends it for good.
# Fill in the id of a run.
mutation PauseRun($id: ID!) {
  pauseRun(id: $id) {
    run {
      status
      progress {
        done
        running
        queued
      }
    }
    userErrors {
      code
      message
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# Have a paused run go on where it was.
# Fill in the id of a run.
mutation ResumeRun($id: ID!) {
  resumeRun(id: $id) {
    run {
      status
    }
    userErrors {
      code
      message
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# End what is left of a comparison.
# Fill in the id of a comparison.
mutation CancelComparison($id: ID!) {
  cancelComparison(id: $id) {
    comparison {
      status
      verdict
    }
    userErrors {
      code
      message
    }
  }
}
`,
    variables: { id: COMPARISON_ID },
  },
  {
    query: `# End a run: what has succeeded stays, what is in flight is aborted.
# Fill in the id of a run.
mutation CancelRun($id: ID!) {
  cancelRun(id: $id) {
    run {
      status
      progress {
        succeeded
        cancelled
      }
    }
    userErrors {
      code
      message
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# End every run that a filter finds.
mutation CancelRuns {
  cancelRuns(filter: { status: [QUEUED, RUNNING, PAUSED], name: "ten pages" }) {
    matched
    accepted
    runs {
      id
      status
    }
    userErrors {
      code
      message
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Run the items again that did not succeed, under the indexes that they had.
# Fill in the id of a run that has ended.
mutation RetryRun($id: ID!) {
  retryRun(id: $id, retry: { maxAttempts: 5 }) {
    run {
      id
      progress {
        total
      }
      retryOf {
        id
      }
    }
    userErrors {
      code
      message
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# The same for every run that a filter finds.
mutation RetryRuns {
  retryRuns(filter: { status: [PARTIAL, FAILED], name: "ten pages" }) {
    matched
    accepted
    runs {
      id
    }
    userErrors {
      code
      message
      retryAfterMs
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Take an ended run away, with its tasks and the bodies that no other run holds.
# Fill in the id of a run.
mutation DeleteRun($id: ID!) {
  deleteRun(id: $id) {
    deletedRunId
    userErrors {
      code
      message
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# Take every run away that ended before an instant.
mutation PruneRuns {
  pruneRuns(finishedBefore: "2026-01-01T00:00:00Z") {
    deletedCount
    userErrors {
      code
      message
    }
  }
}
`,
    variables: null,
  },
]
