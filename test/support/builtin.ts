/** What tests of compute functions share: a context, and calls that hold input and output to the function's schemas. */

import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Json } from '../../src/domain/batch.js'
import { toJsonText } from '../../src/domain/output.js'
import type { ComputeFunction, FunctionContext, InputProblem } from '../../src/functions/function.js'
import { SchemaCompiler } from '../../src/functions/schema.js'

export function functionContext(changes: Partial<FunctionContext> = {}): FunctionContext {
  return { signal: new AbortController().signal, index: 0, attempt: 1, progress: () => {}, ...changes }
}

/** A context aborted from this look at its signal on, as by a flag that another thread sets. */
export function abortedAtLook(number: number): { context: FunctionContext; looks: () => number } {
  let looks = 0
  const signal = new AbortController().signal
  Object.defineProperty(signal, 'aborted', { get: () => ++looks >= number })
  return { context: functionContext({ signal }), looks: () => looks }
}

/** A context that keeps all that is said of the progress. */
export function listeningContext(): { context: FunctionContext; said: number[] } {
  const said: number[] = []
  return { said, context: functionContext({ progress: (fraction) => void said.push(fraction) }) }
}

/** What a launch would find wrong with an input: `path message` each. */
export function problemsOf(fn: ComputeFunction): (input: unknown) => string[] {
  const check = new SchemaCompiler({ trusted: false }).compile(fn.inputSchema)
  return (input) => check(input).map(({ path, message }: InputProblem) => [...path, message].join(' '))
}

/** The stored output for an input; an input or an output that does not fit its schema is thrown. */
export function callerOf<Output = Json>(
  fn: ComputeFunction,
): (input: unknown, context?: FunctionContext) => Promise<Output> {
  const problems = problemsOf(fn)
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  const fits = ajv.compile(fn.outputSchema as object)
  return async (input, context = functionContext()) => {
    const found = problems(input)
    if (found.length > 0) throw new TypeError(`no input: ${found.join('; ')}`)
    const output = JSON.parse(toJsonText(await fn.run(input, context))) as Output
    if (!fits(output)) throw new TypeError(`no output: ${ajv.errorsText(fits.errors)}`)
    return output
  }
}
