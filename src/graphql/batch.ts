/** Batches as clients write them: the inputs of each kind. */

import { builder } from './builder.js'
import { LaunchOptionsInput } from './options.js'
import { StrategyType } from './strategy.js'

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
    perHostConcurrency: t.int({
      description:
        'In flight to one host at most, of all batches together that ask for a limit of it: the lowest one holds.',
    }),
    perHostRate: t.float({
      description: 'Requests a second to one host at most, of all batches together that ask for a rate.',
    }),
    okStatuses: t.intList({ description: 'Statuses that count as success; 200 to 299 if left out.' }),
    dedupe: t.boolean({
      defaultValue: false,
      description:
        'Send one request once (same method, URL, headers and body), and give its answer to every item that names it: the others succeed or fail with it, attempts 0, serviceMs 0, and count in no distribution.',
    }),
  }),
})

export const LaunchFetchBatchInput = builder.inputType('LaunchFetchBatchInput', {
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

export const LaunchComputeBatchInput = builder.inputType('LaunchComputeBatchInput', {
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

const FetchStageInput = builder.inputType('FetchStageInput', {
  description: 'A stage that sends a request for each item.',
  fields: (t) => ({
    name: t.string({ description: 'Its name; fetch if left out.' }),
    fetch: t.field({ type: FetchOptionsInput, description: 'How the requests are made; its defaults if left out.' }),
    urlFrom: t.string({
      description:
        "Where the request comes from in the previous stage's output, a JSON pointer: a URL, or an object like FetchRequestInput; the whole output if left out. Where there is none, the task fails with INVALID_INPUT.",
    }),
    concurrency: t.int({ description: 'In flight at most in this stage; that of the batch if left out.' }),
    strategy: t.field({ type: StrategyType, description: 'Of this stage; that of the batch if left out.' }),
  }),
})

const ComputeStageInput = builder.inputType('ComputeStageInput', {
  description:
    "A stage that calls a function for each item. Its input is the previous stage's output: of a fetch the body as bodyPolicy reads it; with DISCARD and STORE, { url, status, bytes, sha256, contentType }.",
  fields: (t) => ({
    name: t.string({ description: "Its name; the function's if left out." }),
    function: t.string({ required: true, description: 'A name from Query.functions.' }),
    inputFrom: t.string({
      description:
        'A JSON pointer into the previous output; the whole if left out. Where it finds nothing, the task fails with INVALID_INPUT.',
    }),
    concurrency: t.int({ description: 'In flight at most in this stage; that of the batch if left out.' }),
    strategy: t.field({ type: StrategyType, description: 'Of this stage; that of the batch if left out.' }),
  }),
})

const StageInput = builder.inputType('StageInput', {
  isOneOf: true,
  description: 'A step that every item goes through: exactly one of these.',
  fields: (t) => ({
    fetch: t.field({ type: FetchStageInput, description: 'A stage that fetches.' }),
    compute: t.field({ type: ComputeStageInput, description: 'A stage that computes.' }),
  }),
})

const PipelineSourceInput = builder.inputType('PipelineSourceInput', {
  isOneOf: true,
  description:
    'Where the items come from: exactly one of these. A fetch as the first stage takes urls, requests, template or file, a compute inputs, range or file.',
  fields: (t) => ({
    urls: t.stringList({ description: 'URLs to GET.' }),
    requests: t.field({ type: [FetchRequestInput], description: 'Requests written out.' }),
    template: t.field({ type: UrlTemplateInput, description: 'URLs that differ in a number.' }),
    inputs: t.field({ type: ['JSON'], description: 'One input of the first function each.' }),
    range: t.field({ type: RangeInput, description: 'Each number of the range is one input.' }),
    file: t.field({
      type: 'Upload',
      description:
        'One item a line: of a fetch a URL or a JSON object like FetchRequestInput, of a compute a JSON value.',
    }),
  }),
})

export const LaunchPipelineInput = builder.inputType('LaunchPipelineInput', {
  description:
    'A batch whose items flow through several stages: each enters the next stage when it leaves the one before. One item stays one item.',
  fields: (t) => ({
    source: t.field({ type: PipelineSourceInput, required: true, description: 'The items of the first stage.' }),
    stages: t.field({ type: [StageInput], required: true, description: 'The stages, in order; 100 at most.' }),
    options: t.field({
      type: LaunchOptionsInput,
      description:
        'How the batch is run; its defaults if left out. strategy, concurrency and lanes are those of each stage that has none of its own; retry and timeoutMs are for every stage.',
    }),
  }),
})

export const BatchInput = builder.inputType('BatchInput', {
  isOneOf: true,
  description: 'A batch of any kind: exactly one of these.',
  fields: (t) => ({
    fetch: t.field({ type: LaunchFetchBatchInput, description: 'A batch of requests.' }),
    compute: t.field({ type: LaunchComputeBatchInput, description: 'A batch of calls of a function.' }),
    pipeline: t.field({ type: LaunchPipelineInput, description: 'A batch that flows through several stages.' }),
  }),
})
