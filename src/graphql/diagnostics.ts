/** What held a run back, and what would help. */

import { type Diagnostic, DiagnosticCode } from '../domain/diagnostic.js'
import { builder, TO_READERS } from './builder.js'
import { listOf, STUDY } from './cost.js'
import { RunType } from './refs.js'

const DiagnosticCodeType = builder.enumType('DiagnosticCode', {
  description: 'What held a run back. docs/diagnostics.md has the thresholds of each, and their reasons.',
  values: {
    CPU_BOUND_ON_EVENT_LOOP: { description: 'CPU-bound work held one event loop: parallel lanes would help.' },
    TOO_MANY_WORKERS: { description: 'More compute lanes than cores.' },
    OVERHEAD_DOMINATES: { description: 'Tasks so short that handing them out costs more than running them.' },
    WAITING_ON_PARALLEL_LANES: {
      description: 'I/O-bound work on parallel lanes: fan-out on one event loop does as well for less.',
    },
    STRAGGLERS: { description: 'A few slow tasks kept the run waiting at its end.' },
    ORIGIN_THROTTLING: { description: 'One origin refused or throttled.' },
  } as const,
})

const SeverityType = builder.enumType('Severity', {
  description: 'How much a diagnostic matters.',
  values: {
    INFO: { description: 'It could be had for less.' },
    WARNING: { description: 'It took longer than it had to, or much more of the machine.' },
  } as const,
})

const DiagnosticType = builder.objectRef<Diagnostic>('Diagnostic').implement({
  description: 'One thing that held a run back.',
  fields: (t) => ({
    code: t.expose('code', { type: DiagnosticCodeType, description: 'Which one.' }),
    severity: t.expose('severity', { type: SeverityType, description: 'How much it matters.' }),
    message: t.exposeString('message', { description: 'What was seen, and what would help, in a sentence or two.' }),
    evidence: t.field({
      type: 'JSON',
      description:
        'The figures behind it. Names ending in Ms are milliseconds, in Share 0 to 1, in PerSecond of a second.',
      resolve: ({ evidence }) => evidence,
    }),
  }),
})

builder.objectFields(RunType, (t) => ({
  diagnostics: t.field({
    ...TO_READERS,
    type: [DiagnosticType],
    complexity: listOf(Object.keys(DiagnosticCode).length, STUDY),
    description:
      'What held this run back, and what would help; of a run under way what can be said so far. Empty where nothing did, and before it starts.',
    resolve: async (run, _args, { engine }) => [...(await engine.diagnostics(run))],
  }),
}))
