/** Launching: the inputs of each kind of batch, and the answer to them. */

import type { LaunchOutcome } from '../engine/engine.js'
import { builder } from './builder.js'
import { LaunchOptionsInput } from './options.js'
import { UserErrorType } from './problem.js'
import { RunType } from './refs.js'

const BodyPolicyType = builder.enumType('BodyPolicy', {
  description: "What becomes of a response's body.",
  values: {
    DISCARD: { description: 'Read, measured and hashed, then dropped.' },
    STORE: { description: 'Kept in the content-addressed blob store; Task.body reads it back.' },
    JSON: { description: 'Parsed as JSON into Task.output.' },
    TEXT: { description: 'Decoded as text into Task.output.' },
  } as const,
})

const ReducerType = builder.enumType('Reducer', {
  description: 'What the outputs of a compute run are folded into.',
  values: {
    SUM: { description: 'Their sum; exact for whole numbers of any size, which decimal strings carry.' },
    MIN: { description: 'The smallest.' },
    MAX: { description: 'The largest.' },
    COUNT: { description: 'How many there are.' },
    COLLECT: {
      description: 'All of them in index order, null for what did not succeed; refused past 100,000 items.',
    },
  } as const,
})

const HeaderInput = builder.inputType('HeaderInput', {
  description: 'A request header.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'Its name: accept.' }),
    value: t.string({ required: true, description: 'Its value: application/json.' }),
  }),
})

const FetchRequestInput = builder.inputType('FetchRequestInput', {
  description: 'One request, written out.',
  fields: (t) => ({
    url: t.string({ required: true, description: 'An http or https URL.' }),
    method: t.string({ defaultValue: 'GET', description: 'The method.' }),
    headers: t.field({
      type: [HeaderInput],
      description: 'Its headers, besides those of the batch, which they override.',
    }),
    body: t.string({ description: 'The body, sent as UTF-8.' }),
  }),
})

const UrlTemplateInput = builder.inputType('UrlTemplateInput', {
  description: 'URLs that differ in a number.',
  fields: (t) => ({
    template: t.string({
      required: true,
      description: 'A URL with {i} where the number goes: https://example.com/page/{i}.',
    }),
    from: t.float({
      required: true,
      defaultValue: 1,
      description: 'The first number. A whole number up to 2^53, as to and step.',
    }),
    to: t.float({ required: true, description: 'The last number, included.' }),
    step: t.float({ required: true, defaultValue: 1, description: 'From one number to the next.' }),
  }),
})

const FetchSourceInput = builder.inputType('FetchSourceInput', {
  isOneOf: true,
  description: 'Where the requests come from: exactly one of these.',
  fields: (t) => ({
    urls: t.stringList({ description: 'URLs to GET.' }),
    requests: t.field({ type: [FetchRequestInput], description: 'Requests written out.' }),
    template: t.field({
      type: UrlTemplateInput,
      description: 'URLs that differ in a number: costs the same whatever their count.',
    }),
    file: t.field({
      type: 'Upload',
      description:
        'One URL, or one JSON object like FetchRequestInput, a line. Blank lines are skipped; a line that is neither fails its own task with INVALID_INPUT.',
    }),
  }),
})

const FetchOptionsInput = builder.inputType('FetchOptionsInput', {
  description: 'How each request is made, and what becomes of its answer.',
  fields: (t) => ({
    bodyPolicy: t.field({ type: BodyPolicyType, defaultValue: 'DISCARD', description: 'What becomes of the bodies.' }),
    maxBytes: t.int({
      defaultValue: 10_485_760,
      description: 'Of a decoded body. A larger one fails its task with BODY_TOO_LARGE.',
    }),
    maxRedirects: t.int({
      defaultValue: 5,
      description: 'Redirects to follow; one more fails the task with TOO_MANY_REDIRECTS.',
    }),
    headers: t.field({ type: [HeaderInput], description: 'Headers of every request.' }),
    perHostConcurrency: t.int({ description: 'In flight to one host at most.' }),
    perHostRate: t.float({ description: 'Requests a second to one host at most.' }),
    okStatuses: t.intList({ description: 'Statuses that count as success; 200 to 299 if left out.' }),
    dedupe: t.boolean({
      defaultValue: false,
      description:
        'Send one request once (same method, URL, headers and body), and give its answer to every item that names it: the others succeed or fail with it, attempts 0, serviceMs 0, and count in no distribution.',
    }),
  }),
})

const LaunchFetchBatchInput = builder.inputType('LaunchFetchBatchInput', {
  description: 'A batch of requests.',
  fields: (t) => ({
    source: t.field({ type: FetchSourceInput, required: true, description: 'The requests.' }),
    fetch: t.field({ type: FetchOptionsInput, description: 'How they are made; its defaults if left out.' }),
    options: t.field({ type: LaunchOptionsInput, description: 'How the batch is run; its defaults if left out.' }),
  }),
})

const RangeInput = builder.inputType('RangeInput', {
  description: "Whole numbers up to 2^53, as Python's range counts them.",
  fields: (t) => ({
    from: t.float({ required: true, description: 'The first number.' }),
    to: t.float({ required: true, description: "Excluded, as in Python's range." }),
    step: t.float({ required: true, defaultValue: 1, description: 'From one number to the next.' }),
  }),
})

const ComputeSourceInput = builder.inputType('ComputeSourceInput', {
  isOneOf: true,
  description: 'Where the inputs come from: exactly one of these.',
  fields: (t) => ({
    inputs: t.field({ type: ['JSON'], description: 'One input each, checked against the schema of the function.' }),
    range: t.field({
      type: RangeInput,
      description: 'Each number of the range is one input: costs the same whatever their count.',
    }),
    file: t.field({
      type: 'Upload',
      description:
        'One JSON value a line. Blank lines are skipped; a line that is no JSON, or does not fit the function, fails its own task with INVALID_INPUT.',
    }),
  }),
})

const LaunchComputeBatchInput = builder.inputType('LaunchComputeBatchInput', {
  description: 'A batch of calls of a function.',
  fields: (t) => ({
    function: t.string({ required: true, description: 'A name from Query.functions.' }),
    source: t.field({ type: ComputeSourceInput, required: true, description: 'The inputs.' }),
    chunkSize: t.int({
      description: 'Inputs handed to a lane at a time; chosen from the measured service time if left out.',
    }),
    reduce: t.field({
      type: ReducerType,
      description: 'Folds the outputs; partial results are folded in each lane, no state is shared.',
    }),
    options: t.field({ type: LaunchOptionsInput, description: 'How the batch is run; its defaults if left out.' }),
  }),
})

const LaunchRunPayload = builder.objectRef<LaunchOutcome>('LaunchRunPayload').implement({
  description:
    'The resource, or userErrors: never both. At most 100 userErrors; the last then says how many more there are. Top-level errors are for access, limits and faults of the server.',
  fields: (t) => ({
    run: t.field({
      type: RunType,
      nullable: true,
      description: 'The run, written down; null where there are userErrors.',
      resolve: ({ run }) => run,
    }),
    deduplicated: t.exposeBoolean('deduplicated', { description: 'True where idempotencyKey found an earlier run.' }),
    userErrors: t.field({
      type: [UserErrorType],
      description: 'Every problem of the input; nothing was launched where there is one.',
      resolve: ({ userErrors }) => userErrors,
    }),
  }),
})

builder.mutationFields((t) => ({
  launchFetchBatch: t.field({
    type: LaunchRunPayload,
    description: 'Launches a batch of requests: checked and written down when it answers, run from then on.',
    args: { input: t.arg({ type: LaunchFetchBatchInput, required: true, description: 'The batch.' }) },
    resolve: (_root, { input }, { engine, space }) => engine.launchFetch(input, space),
  }),
  launchComputeBatch: t.field({
    type: LaunchRunPayload,
    description: 'Launches a batch of calls of a function: checked and written down when it answers, run from then on.',
    args: { input: t.arg({ type: LaunchComputeBatchInput, required: true, description: 'The batch.' }) },
    resolve: (_root, { input }, { engine, space }) => engine.launchCompute(input, space),
  }),
}))
