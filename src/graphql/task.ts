/** Tasks: one item in one stage, once it has ended. */

import type { TaskError } from '../domain/errors.js'
import { taskId } from '../domain/ids.js'
import { maskUrl } from '../domain/secrets.js'
import { shownInput } from '../domain/shown-input.js'
import { type Attempt, attemptsOf, type FetchDetail } from '../domain/task.js'
import { builder } from './builder.js'
import { listOf } from './cost.js'
import { readOutput, reserveJson } from './output.js'
import { type InputBatch, RunType, TaskNode, TaskType } from './refs.js'

export const TaskStatusType = builder.enumType('TaskStatus', {
  description: 'What became of a task.',
  values: {
    SUCCEEDED: { description: 'It did what was asked; it may have taken several attempts.' },
    FAILED: { description: 'Its last attempt failed, or what failed it is not retried.' },
    CANCELLED: {
      description:
        'In flight when the run was cancelled or failFast ended it; what was waiting then is counted as cancelled in progress and has no task.',
    },
    SKIPPED: {
      description:
        'Never started, as an earlier stage of its item failed or failFast ended the run: counted in progress, and has no task.',
    },
  } as const,
})

export const TaskErrorType = builder.objectRef<TaskError>('TaskError').implement({
  description: 'Why a task, an attempt or a run failed.',
  fields: (t) => ({
    code: t.exposeString('code', {
      description: 'See docs/errors; a client must take a code that it does not know as not retryable.',
    }),
    message: t.exposeString('message', { description: 'What happened, for a person to read.' }),
    retryable: t.exposeBoolean('retryable', { description: 'Whether this kind of failure can go away by itself.' }),
  }),
})

const AttemptType = builder.objectRef<Attempt>('Attempt').implement({
  description: 'One try at a task.',
  fields: (t) => ({
    number: t.exposeInt('number', { description: 'Which try it was, from 1.' }),
    startedMs: t.exposeFloat('startedMs', { description: 'Its start, in milliseconds after Run.startedAt.' }),
    serviceMs: t.exposeFloat('serviceMs', { description: 'From its start to its end, in milliseconds.' }),
    lane: t.exposeString('lane', { description: 'The lane that it ran on.' }),
    error: t.expose('error', {
      type: TaskErrorType,
      nullable: true,
      description: 'Why it failed; null where it did not.',
    }),
  }),
})

const FetchDetailType = builder.objectRef<FetchDetail>('FetchDetail').implement({
  description:
    'What is known of a request beyond its times: of the last attempt. Phases, in milliseconds, are null where the connection was there already.',
  fields: (t) => ({
    url: t.string({
      description: 'What was asked for, user name and password masked.',
      resolve: ({ url }) => maskUrl(url),
    }),
    finalUrl: t.string({
      description: 'What answered, after all redirects.',
      resolve: ({ finalUrl }) => maskUrl(finalUrl),
    }),
    status: t.exposeInt('status', { nullable: true, description: 'The HTTP status; null where there was no answer.' }),
    bytes: t.exposeFloat('bytes', {
      description: 'Of the body, decoded (after content-encoding): what maxBytes bounds and sha256 hashes.',
    }),
    sha256: t.exposeString('sha256', {
      nullable: true,
      description: 'Of the decoded body, in lower-case hex; null where it was not read to its end.',
    }),
    contentType: t.exposeString('contentType', {
      nullable: true,
      description: 'The Content-Type header of the answer.',
    }),
    redirects: t.exposeInt('redirects', { description: 'How many redirects were followed.' }),
    dnsMs: t.exposeFloat('dnsMs', { nullable: true, description: 'Resolving the name.' }),
    connectMs: t.exposeFloat('connectMs', { nullable: true, description: 'Connecting.' }),
    tlsMs: t.exposeFloat('tlsMs', { nullable: true, description: 'The TLS handshake; null without TLS.' }),
    firstByteMs: t.exposeFloat('firstByteMs', {
      nullable: true,
      description: "From the request's sending to the answer's first byte.",
    }),
    downloadMs: t.exposeFloat('downloadMs', { nullable: true, description: "From the first byte to the body's end." }),
    reusedConnection: t.exposeBoolean('reusedConnection', {
      nullable: true,
      description: 'Whether the request went over a connection that was there already; null where none was had.',
    }),
  }),
})

/** What a task is taken to have had. */
const TYPICAL_ATTEMPTS = 3

TaskType.implement({
  description: 'One item in one stage of a run, once it has ended.',
  interfaces: [builder.nodeInterfaceRef()],
  isTypeOf: (value) => value instanceof TaskNode,
  fields: (t) => ({
    id: t.id({
      description: 'The id of the task.',
      resolve: ({ run, record }) => taskId(run.record.key, record.stage, record.index),
    }),
    run: t.field({ type: RunType, description: 'The run that it belongs to.', resolve: (task) => task.run }),
    stage: t.int({ description: 'The stage, from 0.', resolve: ({ record }) => record.stage }),
    index: t.int({
      description:
        "The item's place in the batch, from 0, in every stage: outputs are in the order of the inputs, whatever ended first.",
      resolve: ({ record }) => record.index,
    }),
    status: t.field({
      type: TaskStatusType,
      description: 'What became of it.',
      resolve: ({ record }) => record.status,
    }),
    input: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'The item as it was given, in later stages as the stage before gave it; header values and URL parts that carry secrets are masked. At most 64 MiB of inputs and outputs in one answer.',
      resolve: ({ record, inputs }, _args, _context, { variableValues }) => inputOf(inputs, record, variableValues),
    }),
    output: t.field({
      type: 'JSON',
      nullable: true,
      description:
        'What the function returned, or the body as bodyPolicy reads it; null with DISCARD and STORE, and where it failed. Whole numbers from 2^53 on are decimal strings.',
      resolve: ({ record: { output } }, _args, _context, { variableValues }) => {
        if (output === null) return null
        reserveJson(variableValues, output.length)
        return readOutput(output)
      },
    }),
    error: t.field({
      type: TaskErrorType,
      nullable: true,
      description: 'Why it failed; null where it did not.',
      resolve: ({ record }) => record.error,
    }),
  }),
})

/** How it came about, and how long it took. */
builder.objectFields(TaskType, (t) => ({
  attempts: t.int({
    description: 'How many attempts it took; 0 where it has the answer of another item with the same request (dedupe).',
    resolve: ({ record }) => record.attempts,
  }),
  history: t.field({
    type: [AttemptType],
    complexity: listOf(TYPICAL_ATTEMPTS),
    description: 'Each attempt with its own times and error, the last one included.',
    resolve: ({ record }) => attemptsOf(record),
  }),
  lane: t.string({
    nullable: true,
    description:
      'The lane of the last attempt; null where it never started, as are startedMs, queueWaitMs and serviceMs (0 with the answer of another item).',
    resolve: ({ record }) => record.lane,
  }),
  startedMs: t.float({
    nullable: true,
    description: "The first attempt's start, in milliseconds after Run.startedAt.",
    resolve: ({ record }) => record.startedMs,
  }),
  queueWaitMs: t.float({
    nullable: true,
    description:
      "From ready (launched, resumed, or the stage before ended) to the first attempt's start, whatever it waited for, in milliseconds.",
    resolve: ({ record }) => record.queueWaitMs,
  }),
  serviceMs: t.float({
    nullable: true,
    description:
      "The attempts' service times added up, in milliseconds; waits between them (back-off, Retry-After) are not in it.",
    resolve: ({ record }) => record.serviceMs,
  }),
  cpuMs: t.float({
    nullable: true,
    description: 'CPU time in milliseconds; null where it was not measured for the single task.',
    resolve: ({ record }) => record.cpuMs,
  }),
  fetch: t.field({
    type: FetchDetailType,
    nullable: true,
    description: 'Null but for fetches.',
    resolve: ({ record }) => record.fetch,
  }),
}))

/** The input of an item in a stage, secrets masked. */
export async function inputOf(inputs: InputBatch, place: { stage: number; index: number }, answer: object) {
  const input = await inputs.at(place)
  reserveJson(answer, inputs.lengthOf(place, input))
  return shownInput(inputs.run.record.spec, place.stage, input)
}
