/**
 * Where the jobs of `value-jobs.ts` run: in a worker, one at a time, which is ended when a job takes
 * longer than it may. It is started when there is something to do and ended after a while without:
 * it holds some 30 MiB.
 *
 * What a thread does in code of ours can be ended at any time; what it does in one call of the
 * runtime's cannot (a regular expression that backtracks, say): nothing here makes such a call whose
 * time grows faster than its input (`value-schema.ts`).
 *
 * @module
 */
import { parentPort, Worker } from 'node:worker_threads'
import type { ValueChecks, ValueJob, ValueVerdict } from '../http/config/value-checks.ts'
import { present } from '../lib/assert.ts'
import { setTimer } from '../lib/timer.ts'

export interface ValueWorkerOptions {
  /** The worker's entry point: a file of its own in the executable. */
  readonly script: URL
  /** Of one job, from when the worker has begun it. */
  readonly budgetMs: number
}

/** Jobs that wait: each holds a value of up to a mebibyte. */
const QUEUE_MAX = 64
/** Without a job for so long the worker is ended. */
const IDLE_MS = 30_000
/** Of a worker that is starting on a busy machine. */
const START_MS = 10_000
/** What a worker says when it is ready. */
const READY = 'ready'

interface Question {
  readonly job: ValueJob
  readonly resolve: (verdict: ValueVerdict) => void
}

export class ValueWorker implements ValueChecks {
  readonly #options: ValueWorkerOptions
  #worker: Worker | null = null
  #isReady = false
  #queue: Question[] = []
  #current: Question | null = null
  #cancelTimer: (() => void) | null = null

  constructor(options: ValueWorkerOptions) {
    this.#options = options
  }

  run(job: ValueJob): Promise<ValueVerdict> {
    if (this.#queue.length >= QUEUE_MAX) return Promise.resolve({ type: 'busy' })
    return new Promise((resolve) => {
      this.#queue.push({ job, resolve })
      this.#next()
    })
  }

  /** Whoever still waits is told so. */
  close(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve({ type: 'busy' })
    this.#settle({ type: 'busy' })
    this.#end()
  }

  #next(): void {
    if (this.#current !== null) return
    if (this.#queue.length === 0) return this.#setTimer(IDLE_MS, () => this.#end())
    if (this.#worker === null) return this.#start()
    if (!this.#isReady) return
    const question = present(this.#queue.shift(), 'a queue that is not empty has a first')
    this.#current = question
    this.#setTimer(this.#options.budgetMs, () => {
      this.#end()
      this.#settle({ type: 'too_long' })
      this.#next()
    })
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, no window
    this.#worker.postMessage(question.job)
  }

  #start(): void {
    const worker = new Worker(this.#options.script)
    this.#worker = worker
    this.#isReady = false
    worker.unref()
    worker.on('message', (message: typeof READY | ValueVerdict) => {
      if (worker !== this.#worker) return // It was ended while this was on its way.
      if (message === READY) this.#isReady = true
      else this.#settle(message)
      this.#next()
    })
    worker.on('error', (error: Error) => {
      if (worker === this.#worker) this.#failed(error.message)
    })
    this.#setTimer(START_MS, () => this.#failed('its thread did not start in time'))
  }

  /** Whoever waits is told so, all of them: it would fail again. */
  #failed(message: string): void {
    this.#end()
    this.#settle({ type: 'failed', message })
    for (const { resolve } of this.#queue.splice(0)) resolve({ type: 'failed', message })
  }

  #settle(verdict: ValueVerdict): void {
    const question = this.#current
    this.#current = null
    question?.resolve(verdict)
  }

  /** Not waited for: a thread that is in the middle of something ends when it can. */
  #end(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = null
    const worker = this.#worker
    this.#worker = null
    this.#isReady = false
    void worker?.terminate()
  }

  /** One at a time: of a start, of a job, or of a rest. */
  #setTimer(ms: number, run: () => void): void {
    this.#cancelTimer?.()
    this.#cancelTimer = setTimer(ms, run)
  }
}

/** The worker's side: the body of its entry point. */
export async function serveValueJobs(): Promise<void> {
  const port = present(parentPort, 'a worker has a parent')
  // Here alone: a node that never checks a value does not load what checks them.
  const { runValueJob, warmUp } = await import('./value-jobs.ts')
  warmUp()
  port.on('message', (job: ValueJob) => port.postMessage(runValueJob(job)))
  port.postMessage(READY)
}
