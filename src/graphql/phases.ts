/** Where the time of fetches went. */

import type { ByPhase } from '../domain/fetch-phases.js'
import type { Distribution } from '../domain/timing.js'
import { builder } from './builder.js'
import { QUESTION } from './cost.js'
import { DistributionType, RunTimingsType } from './timing.js'

const FetchPhasesType = builder.objectRef<ByPhase<Distribution>>('FetchPhases')
FetchPhasesType.implement({
  description:
    'The phases of fetches, each over the SUCCEEDED and FAILED tasks that had it in their last attempt, over all its redirects: a connection that was there already has no dns, connect or tls. Percentiles are exact up to 100,000 values of a phase.',
  fields: (t) => ({
    dns: t.field({
      type: DistributionType,
      description: "From a connection's beginning until the name had been resolved; none for an address.",
      resolve: ({ dns }) => dns,
    }),
    connect: t.field({
      type: DistributionType,
      description: 'From then on until TCP had connected.',
      resolve: ({ connect }) => connect,
    }),
    tls: t.field({
      type: DistributionType,
      description: 'From then on until TLS had been agreed upon; none for http.',
      resolve: ({ tls }) => tls,
    }),
    firstByte: t.field({
      type: DistributionType,
      description: "From the request's going out to the first byte of the answer: the origin's own time, and the way.",
      resolve: ({ firstByte }) => firstByte,
    }),
    download: t.field({
      type: DistributionType,
      description: 'From then on to the last byte of the answer.',
      resolve: ({ download }) => download,
    }),
  }),
})

builder.objectField(RunTimingsType, 'phases', (t) =>
  t.field({
    type: FetchPhasesType,
    nullable: true,
    complexity: QUESTION,
    description:
      "Where the fetches' time went; null where there was none, and of more than 100,000 that were made before phases were kept.",
    resolve: ({ run, stage }, _args, { engine }) => engine.phases(run, stage),
  }),
)
