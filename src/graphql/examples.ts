/** An operation for each thing that the API does, to start from: the tabs that GraphiQL opens with. */

export interface Example {
  query: string
  variables: Record<string, unknown> | null
}

/** To be replaced by the id that a launch answered with. */
const RUN_ID = 'run_00000000000000000000000000000000'
const COMPARISON_ID = 'comparison_00000000000000000000000000000000'

export const EXAMPLES: readonly Example[] = [
  {
    query: `# Launch a compute batch in worker threads:
# the sums of the squares below 10, 20 and 30 million.
mutation LaunchCompute {
  launchComputeBatch(
    input: {
      function: "sumOfSquares"
      source: { inputs: [10000000, 20000000, 30000000] }
      options: { name: "three sums", strategy: THREADS }
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
    query: `# Watch a comparison: the verdict so far, each change, then the end.
# Fill in the id that a launch answered with.
subscription WatchComparison($id: ID!) {
  comparisonUpdated(id: $id, maxPerSecond: 2) {
    status
    verdict
    rows {
      strategy
      runs
      speedup
    }
  }
}
`,
    variables: { id: COMPARISON_ID },
  },
  {
    query: `# Watch a run: its state now, each change, then the end.
# Fill in the id that a launch answered with.
subscription WatchRun($id: ID!) {
  runUpdated(id: $id, maxPerSecond: 5) {
    status
    progress {
      sequence
      done
      total
      failed
      throughput
      etaMs
      etaHighMs
    }
    inFlight(first: 5) {
      index
      lane
      startedMs
      progress
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# Every ended task once. Pass the last cursor as after,
# and a broken stream goes on where it broke.
subscription WatchTasks($id: ID!, $after: String) {
  taskEnded(runId: $id, after: $after) {
    cursor
    node {
      index
      status
      output
      serviceMs
      error {
        code
        message
      }
    }
  }
}
`,
    variables: { id: RUN_ID, after: null },
  },
  {
    query: `# The same, many at a time: for large runs.
subscription WatchTaskBatches($id: ID!) {
  tasksEnded(runId: $id, maxPerSecond: 2, maxNodes: 500) {
    cursor
    nodes {
      index
      status
    }
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# All runs as they are launched and change:
# nothing comes until one does.
subscription WatchRuns {
  runsUpdated(maxPerSecond: 2) {
    id
    name
    status
    progress {
      fraction
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# What a run took: wall time, distributions,
# the slowest tasks, errors by kind.
query ReadRun($id: ID!) {
  run(id: $id) {
    status
    effectiveStrategy
    lanes
    concurrency
    timings {
      wallMs
      serviceTotalMs
      cpuMs
      throughput
      meanConcurrency
      utilization
      queueWait {
        p50
        p99
      }
      service {
        count
        mean
        stddev
        p50
        p95
        p99
        percentile(p: 0.999)
        exact
        histogram(buckets: 10) {
          fromMs
          toMs
          count
        }
      }
    }
    slowest: tasks(first: 5, orderBy: SLOWEST) {
      nodes {
        index
        serviceMs
        history {
          number
          serviceMs
          lane
        }
        fetch {
          url
          status
          bytes
        }
      }
    }
    errors {
      code
      count
      sample {
        id
        input
      }
    }
    reduction
  }
}
`,
    variables: { id: RUN_ID },
  },
  {
    query: `# What a comparison came to: a row a strategy, and what they say.
query ReadComparison($id: ID!) {
  comparison(id: $id) {
    name
    status
    verdict
    rows {
      strategy
      runs
      wallMs {
        p50
        min
        max
        stddev
      }
      speedup
      efficiency
    }
    runs {
      id
      strategy
      status
      concurrency
    }
  }
}
`,
    variables: { id: COMPARISON_ID },
  },
  {
    query: `# Find comparisons, the latest first.
query FindComparisons($after: String) {
  comparisons(first: 10, after: $after) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    nodes {
      id
      name
      status
      verdict
    }
  }
}
`,
    variables: { after: null },
  },
  {
    query: `# Find runs, a page at a time:
# give endCursor as after to get the next one.
query FindRuns($after: String) {
  runs(first: 10, after: $after, filter: { kind: [COMPUTE], status: [SUCCEEDED, PARTIAL] }, orderBy: DURATION_DESC) {
    totalCount
    pageInfo {
      hasNextPage
      endCursor
    }
    nodes {
      id
      name
      createdAt
      timings {
        wallMs
      }
    }
  }
}
`,
    variables: { after: null },
  },
  {
    query: `# Anything by its id.
query ReadNode($id: ID!) {
  node(id: $id) {
    __typename
    id
    ... on Run {
      status
    }
    ... on Task {
      index
      output
    }
    ... on Comparison {
      verdict
    }
  }
}
`,
    variables: { id: RUN_ID },
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
    query: `# What each strategy costs on this machine: measured when it is first asked for, in a second or two.
query ReadCosts {
  system {
    cores
    strategyCosts {
      strategy
      laneStartMs
      roundTripUs
      memoryPerLaneMb
      sharesMemory
      parallel
      bestFor
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# What there is to call, and how the server is.
query ReadServer {
  functions {
    name
    description
    inputSchema
    example
  }
  system {
    version
    cores
    uptimeMs
    eventLoopDelayP99Ms
    queuedTasks
    runningTasks
    lanes {
      lane
      strategy
      busy
      tasksDone
    }
  }
}
`,
    variables: null,
  },
]
