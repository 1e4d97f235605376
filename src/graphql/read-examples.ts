/** Operations that watch and read: tabs of GraphiQL. */

import { COMPARISON_ID, type Example, RUN_ID } from './example.js'

export const READ_EXAMPLES: readonly Example[] = [
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
    budget {
      passed
      checks {
        name
        limit
        actual
        passed
      }
    }
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
    query: `# Where the time of a run's fetches went:
# how many connections were opened, and who was waited for.
query ReadPhases($id: ID!) {
  run(id: $id) {
    timings {
      service {
        p50
        p99
      }
      phases {
        dns {
          count
          p99
        }
        connect {
          count
          p99
        }
        tls {
          count
          p99
        }
        firstByte {
          count
          p50
          p99
        }
        download {
          p50
          p99
        }
      }
    }
  }
}
`,
    variables: { id: RUN_ID },
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
    query: `# Did one run's tasks take longer than another's, by more than chance?
# Fill in the ids of two runs.
query CompareRuns($baseline: ID!, $candidate: ID!) {
  compareRuns(baseline: $baseline, candidate: $candidate) {
    verdict
    ratio
    ratioLow
    ratioHigh
    pValue
    baselineTasks
    candidateTasks
  }
}
`,
    variables: { baseline: RUN_ID, candidate: RUN_ID },
  },
  {
    query: `# The hosts that runs fetch from: what each bears now, and which of them asked to be left alone.
query ReadHosts {
  hosts(first: 50) {
    host
    inFlight
    queued
    requests
    failures
    p95Ms
    throttledUntil
    restingUntil
  }
}
`,
    variables: null,
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
  {
    query: `# What runs took, day by day and function by function.
query TimingHistory {
  timingHistory(bucket: DAY, groupBy: FUNCTION) {
    bucketStart
    group
    runs
    tasks
    failed
    throughput
    service {
      p50
      p95
      p99
    }
  }
}
`,
    variables: null,
  },
  {
    query: `# Files of all that a run did: for a spreadsheet, for programs, and for https://ui.perfetto.dev.
# Paths on this server; with tokens they are links that expire.
query Exports($id: ID!) {
  run(id: $id) {
    csv: exportUrl(format: CSV)
    ndjson: exportUrl(format: NDJSON)
    trace: exportUrl(format: TRACE)
  }
}
`,
    variables: { id: RUN_ID },
  },
]
