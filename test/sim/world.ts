/**
 * Virtual time and its events. Everything that happens in a run is an event of this queue, ties in
 * the order in which they were planned; nothing reads a clock or draws chance of its own, so one
 * seed is one run.
 */
import { drainMicrotasks } from 'bun:jsc'
import { Heap } from '../../src/lib/heap.ts'
import { insist, Violation } from './violation.ts'
import { Trace } from './trace.ts'

interface Event {
  readonly atMs: number
  readonly order: number
  run: (() => void) | null
}

export class World {
  readonly trace: Trace
  #nowMs = 0
  #order = 0
  #events = 0
  readonly #queue = new Heap<Event>((a, b) =>
    a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs,
  )

  constructor(print: ((line: string) => void) | null) {
    this.trace = new Trace(print)
  }

  /** True time. No node sees it. */
  get nowMs(): number {
    return this.#nowMs
  }

  get events(): number {
    return this.#events
  }

  note(what: string, number = 0, detail?: () => string): void {
    this.trace.note(this.#nowMs, what, number, detail)
  }

  /** Runs once, `ms` from now; the returned function cancels. */
  after(ms: number, run: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, ms), order: this.#order++, run }
    this.#queue.push(event)
    return () => {
      event.run = null
    }
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve))
  }

  /** Lets time pass until `untilMs`, or until `done()` says that it is enough. */
  run(untilMs: number, done: () => boolean = () => false): void {
    for (let next = this.#queue.peek(); next !== null; next = this.#queue.peek()) {
      if (next.atMs > untilMs) break
      this.#queue.pop()
      if (next.run === null) continue
      insist(next.atMs >= this.#nowMs, 'simulator', () => 'time went back')
      this.#nowMs = next.atMs
      this.#events += 1
      next.run()
      drainMicrotasks() // Clients are async functions: they go on within the event.
      if (this.#failure !== null) throw this.#failure
      if (done()) return
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs)
  }

  #failure: Error | null = null

  /** Ends the run: for those whose throw nobody would see. */
  fail(error: unknown): void {
    this.#failure ??=
      error instanceof Error ? error : new Violation('simulator', `thrown: ${String(error)}`)
  }
}
