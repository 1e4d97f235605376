/** Files of everything that a run did. */

import { builder, TO_READERS } from './builder.js'
import { RunType } from './refs.js'

const ExportFormatType = builder.enumType('ExportFormat', {
  description: 'What a run is exported as; docs/exports.md says what is in each, and what opens it.',
  values: {
    CSV: { description: 'A table for spreadsheets, a line a task: RFC 4180, UTF-8, formulas defused.' },
    NDJSON: { description: 'Everything about each task, a JSON object a line, named as in Task.' },
    HAR: { description: "HAR 1.2, for browsers' network tools: the last attempt of each fetch." },
    TRACE: { description: 'Chrome trace events, for Perfetto and chrome://tracing.' },
  } as const,
})

builder.objectFields(RunType, (t) => ({
  exportUrl: t.string({
    ...TO_READERS,
    description:
      'Where the server gives a file of all tasks that have ended: a path on it. With tokens it is a link that opens this one file, for an hour, to whoever has it.',
    args: { format: t.arg({ type: ExportFormatType, required: true, description: 'What the file is.' }) },
    resolve: ({ record }, { format }, { links, space, clock }) =>
      links.urlOf({ run: record.key, format }, space, clock.now().getTime()),
  }),
}))
