import { expect } from 'bun:test'
import { utf8 } from '../../src/lib/bytes.ts'
import { prng } from '../../src/lib/prng.ts'
import type { Entry, HardState, LogWrite } from '../../src/raft/mod.ts'
import { Wal } from '../../src/storage/mod.ts'
import type { WalOptions } from '../../src/storage/mod.ts'
import { SimDisk } from '../support/sim-disk.ts'

/** The smallest segment: eight blocks. */
export const SEGMENT = 32 * 1024
export const BLOCK = 4_096

/** A log over a simulated disk whose fdatasyncs end when the test says so. */
export class Harness {
  readonly disk: SimDisk
  readonly failures: Error[] = []
  /** Numbers of the writes that were done, in order. */
  readonly done: number[] = []
  #tasks: (() => void)[] = []
  #wal: Wal | null = null
  #made = 0
  #written = 0

  constructor(options: { readonly seed?: number; readonly capacityBytes?: number } = {}) {
    const { seed = 1, ...rest } = options
    const schedule = (task: () => void): void => void this.#tasks.push(task)
    this.disk = new SimDisk({ random: prng(seed), schedule, ...rest })
  }

  get wal(): Wal {
    if (this.#wal === null) throw new Error('open the log first')
    return this.#wal
  }

  open(options: Partial<WalOptions> = {}): Wal {
    this.#wal = null
    this.#wal = Wal.open(this.disk, {
      segmentBytes: SEGMENT,
      nodeId: 'n1',
      newNodeId: () => 'made',
      newIncarnation: () => `random-${(this.#made += 1)}`,
      appliedIndex: 0,
      onFailure: (error) => this.failures.push(error),
      ...options,
    })
    return this.#wal
  }

  /** Returns the number that `done` will hold when it is durable. */
  write(entries: readonly Entry[], hardState: HardState | null = null): number {
    const write: LogWrite = { write: (this.#written += 1), hardState, entries }
    this.wal.write(write, () => this.done.push(write.write))
    return write.write
  }

  /** Ends the fdatasync that waits longest. False where there is none. */
  step(): boolean {
    const task = this.#tasks.shift()
    task?.()
    return task !== undefined
  }

  /** Ends fdatasyncs until none is begun any more. */
  settle(): void {
    while (this.step());
  }

  /** Ticks until the next segment is there, and nothing is under way. */
  allocate(): void {
    for (let i = 0; i < 4; i++) {
      this.wal.tick(i)
      this.settle()
    }
  }

  crash(): void {
    this.#tasks = []
    this.disk.crash()
  }

  kill(): void {
    this.#tasks = []
    this.disk.kill()
  }

  /** All entries in the log, read back. */
  entries(): Entry[] {
    return readAll(this.wal)
  }
}

export function readAll(wal: Wal, last: number = wal.recovered.last.index): Entry[] {
  const entries: Entry[] = []
  let next = wal.recovered.snapshot.index + 1
  while (next <= last) {
    const more = wal.read(next, last, 10_000)
    expect(more.length).toBeGreaterThan(0)
    entries.push(...more)
    next += more.length
  }
  return entries
}

export function entry(index: number, term: number, text = `entry ${index} of ${term}`): Entry {
  return { type: 'command', term, index, clusterMs: index * 10, wallMs: 1_000, data: utf8(text) }
}

/** Entries `from`…`to` of one term. */
export function run(from: number, to: number, term: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term))
}

export function hard(term: number, votedFor: string | null = null, promiseMs = 0): HardState {
  return { term, votedFor, promiseMs }
}

export function bigEntry(index: number, term: number, bytes: number): Entry {
  const data = new Uint8Array(bytes)
  for (let i = 0; i < bytes; i++) data[i] = 1 + ((index + i) % 255)
  return { ...entry(index, term), data }
}
