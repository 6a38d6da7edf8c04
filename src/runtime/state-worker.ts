/**
 * Where the jobs of `state-jobs.ts` run: on Bun in a worker, which is started when there is
 * something to do and ended after a while without, since it costs some 20 MiB; elsewhere in the
 * process itself, where a checkpoint holds the loop up.
 *
 * @module
 */
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { assert, present } from '../lib/assert.ts'
import type { SqlDriver } from '../state/sql.ts'
import { StateJobs, type StateJob, type StateJobResult } from './state-jobs.ts'

export interface JobRunner {
  /** One at a time: the next one begins when the one before has ended. */
  run(job: StateJob): Promise<StateJobResult>
  /** Ends what is idle, after the job that is under way. */
  close(): Promise<void>
}

/** Without a job for so long the worker is ended. */
const IDLE_MS = 5_000

/** `script`: the worker's entry point, a file of its own in the executable. */
export function jobRunner(driver: SqlDriver, script: URL): JobRunner {
  return 'Bun' in globalThis ? new WorkerRunner(driver, script) : new LocalRunner(driver)
}

class LocalRunner implements JobRunner {
  readonly #jobs: StateJobs
  #last: Promise<unknown> = Promise.resolve()

  constructor(driver: SqlDriver) {
    this.#jobs = new StateJobs(driver)
  }

  run(job: StateJob): Promise<StateJobResult> {
    const result = this.#last.then(() => this.#jobs.run(job))
    this.#last = result
    return result
  }

  async close(): Promise<void> {
    await this.run({ type: 'release' })
  }
}

interface Question {
  readonly job: StateJob
  readonly resolve: (result: StateJobResult) => void
}

class WorkerRunner implements JobRunner {
  readonly #driver: SqlDriver
  readonly #script: URL
  #worker: Worker | null = null
  #queue: Question[] = []
  #current: Question | null = null
  #idle: ReturnType<typeof setTimeout> | null = null

  constructor(driver: SqlDriver, script: URL) {
    this.#driver = driver
    this.#script = script
  }

  run(job: StateJob): Promise<StateJobResult> {
    return new Promise((resolve) => {
      this.#queue.push({ job, resolve })
      this.#next()
    })
  }

  async close(): Promise<void> {
    if (this.#worker === null && this.#queue.length === 0) return
    await this.run({ type: 'release' })
    await this.#end()
  }

  #next(): void {
    if (this.#current !== null) return
    const question = this.#queue.shift()
    if (question === undefined) return this.#endSoon()
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = null
    this.#current = question
    this.#worker ??= this.#start()
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, no window
    this.#worker.postMessage(question.job)
  }

  #start(): Worker {
    const worker = new Worker(this.#script, { workerData: { driver: this.#driver } })
    worker.unref()
    worker.on('message', (result: StateJobResult) => this.#answer(result))
    worker.on('error', (error: Error) => {
      this.#worker = null
      this.#answer({ ok: false, code: null, message: `the worker failed: ${error.message}` })
    })
    return worker
  }

  #answer(result: StateJobResult): void {
    const question = this.#current
    if (question === null) return
    this.#current = null
    question.resolve(result)
    this.#next()
  }

  /** Its connection is closed first: a thread that is cut off would leave its locks behind. */
  #endSoon(): void {
    if (this.#worker === null || this.#idle !== null) return
    this.#idle = setTimeout(() => {
      this.#idle = null
      void this.close()
    }, IDLE_MS)
    this.#idle.unref()
  }

  async #end(): Promise<void> {
    if (this.#current !== null || this.#queue.length > 0) return // Asked again meanwhile.
    const worker = this.#worker
    this.#worker = null
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = null
    await worker?.terminate()
  }
}

/** The worker's side: the body of its entry point. */
export function serveStateJobs(): void {
  const port = present(parentPort, 'a worker has a parent')
  const { driver } = workerData as { readonly driver: SqlDriver }
  const jobs = new StateJobs(driver)
  let busy = false
  port.on('message', (job: StateJob) => {
    assert(!busy, 'one job at a time')
    busy = true
    void jobs.run(job).then((result) => {
      busy = false
      port.postMessage(result)
    })
  })
}
