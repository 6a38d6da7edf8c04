/**
 * Where the jobs of `state-jobs.ts` run: on Bun in workers, which are started when there is
 * something to do and ended after a while without, since each costs some 20 MiB; elsewhere in the
 * process itself, where a checkpoint holds the loop up.
 *
 * There are two workers. For a checkpoint the whole node may be waiting; what copies and examines
 * takes long and steps back: its thread has a lower priority than those that serve clients, and can
 * never be given a higher one again.
 *
 * @module
 */
import { setPriority } from 'node:os'
import process from 'node:process'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import { assert, present } from '../lib/assert.ts'
import type { SqlDriver } from '../state/tables/sql.ts'
import { openBlocking, openPooled } from './job-file.ts'
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
    this.#jobs = new StateJobs(driver, openPooled)
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

type Lane = 'prompt' | 'patient'

/** What a worker is told when it starts. */
interface Assignment {
  readonly driver: SqlDriver
  readonly lane: Lane
}

/**
 * Of the thread that has time: a third of what others get while all are busy. No less, since the
 * next checkpoint waits for its turn behind it.
 */
export const PATIENT_NICE = 5

interface Question {
  readonly job: StateJob
  readonly resolve: (result: StateJobResult) => void
}

class WorkerRunner implements JobRunner {
  readonly #driver: SqlDriver
  readonly #script: URL
  readonly #workers = new Map<Lane, Worker>()
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
    if (this.#workers.size === 0 && this.#queue.length === 0) return
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
    const lane = this.#laneOf(question.job)
    const worker = this.#workers.get(lane) ?? this.#start(lane)
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker, no window
    worker.postMessage(question.job)
  }

  #laneOf({ type }: StateJob): Lane {
    // Who never made a checkpoint holds no database.
    if (type === 'release') return this.#workers.has('prompt') ? 'prompt' : 'patient'
    return type === 'checkpoint' ? 'prompt' : 'patient'
  }

  #start(lane: Lane): Worker {
    const assignment: Assignment = { driver: this.#driver, lane }
    const worker = new Worker(this.#script, { workerData: assignment })
    this.#workers.set(lane, worker)
    worker.unref()
    worker.on('message', (result: StateJobResult) => this.#answer(result))
    worker.on('error', (error: Error) => {
      this.#workers.delete(lane)
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
    if (this.#workers.size === 0 || this.#idle !== null) return
    this.#idle = setTimeout(() => {
      this.#idle = null
      void this.close()
    }, IDLE_MS)
    this.#idle.unref()
  }

  async #end(): Promise<void> {
    if (this.#current !== null || this.#queue.length > 0) return // Asked again meanwhile.
    const workers = [...this.#workers.values()]
    this.#workers.clear()
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = null
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
}

/** The worker's side: the body of its entry point. */
export function serveStateJobs(): void {
  const port = present(parentPort, 'a worker has a parent')
  const { driver, lane } = workerData as Assignment
  if (lane === 'patient') stepBack()
  const jobs = new StateJobs(driver, openBlocking)
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

/** On Linux a priority is a thread's; elsewhere it would be that of the whole process. */
function stepBack(): void {
  if (process.platform === 'linux') setPriority(PATIENT_NICE)
}
