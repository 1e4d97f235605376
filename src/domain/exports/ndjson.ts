/** Everything about a task, a JSON object a line: names and shapes are those of Task in schema.graphql. */

import { runId, taskId } from '../ids.js'
import { exactText } from '../output.js'
import { maskUrl } from '../secrets.js'
import { storedBodyUrl } from '../stored-body.js'
import { attemptsOf, type FetchDetail } from '../task.js'
import { type ExportedRun, type ExportedTask, instantOf, type TaskText } from './export.js'

export class NdjsonText implements TaskText {
  readonly #run: ExportedRun
  readonly #id: string

  constructor(run: ExportedRun) {
    this.#run = run
    this.#id = runId(run.key)
  }

  head(): string {
    return ''
  }

  tasks(tasks: readonly ExportedTask[]): string {
    return tasks.map((task) => this.#line(task)).join('')
  }

  end(): string {
    return ''
  }

  #line({ task, input }: ExportedTask): string {
    const { stage, index } = task
    const begin = {
      id: taskId(this.#run.key, stage, index),
      run: { id: this.#id },
      stage,
      index,
      status: task.status,
      input,
    }
    const end = {
      error: task.error,
      attempts: task.attempts,
      history: attemptsOf(task),
      lane: task.lane,
      startedMs: task.startedMs,
      startedAt: instantOf(this.#run, task.startedMs),
      queueWaitMs: task.queueWaitMs,
      serviceMs: task.serviceMs,
      cpuMs: task.cpuMs,
      fetch: task.fetch && detailOf(task.fetch),
      bodyUrl: storedBodyUrl(task, this.#run.spec.stages[stage]),
    }
    // It is stored as JSON, in one line: to read and write it again would cost most of the time.
    const output = task.output === null ? 'null' : exactText(task.output)
    return `${JSON.stringify(begin).slice(0, -1)},"output":${output},${JSON.stringify(end).slice(1)}\n`
  }
}

function detailOf({ host: _, ...detail }: FetchDetail) {
  return { ...detail, url: maskUrl(detail.url), finalUrl: maskUrl(detail.finalUrl) }
}
