/** Thousands of readers of watches, in processes of their own (`watchers.ts`). */
import { fileURLToPath } from 'node:url'
import type { ClusterNode } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import { endingWith } from './ending.ts'
import type { ReadersSay } from './watchers.ts'

/** Of one process; two of them make ten thousand. */
const READERS_MAX = 5_000

export interface Watching {
  readonly count: number
  /** Reader i watches topic i modulo so many. */
  readonly topics: number
}

/** Runs `body` while they all watch. */
export function withReaders<T>(
  { port }: ClusterNode,
  watching: Watching,
  body: (readers: Readers) => Promise<T>,
): Promise<T> {
  const readers = new Readers(port, watching)
  return endingWith(
    () => readers.close(),
    async () => {
      await until('all readers watch', () => readers.isReady)
      return body(readers)
    },
  )
}

/** Readers in other processes, seen as one. */
export class Readers {
  readonly #children: ReturnType<typeof Bun.spawn>[]
  readonly #said: (ReadersSay | null)[]

  constructor(port: number, { count, topics }: Watching) {
    const script = fileURLToPath(new URL('./watchers.ts', import.meta.url))
    const shares = Array.from({ length: Math.ceil(count / READERS_MAX) }, (_, i) =>
      Math.min(READERS_MAX, count - i * READERS_MAX),
    )
    this.#said = shares.map(() => null)
    this.#children = shares.map((share, i) =>
      Bun.spawn([process.execPath, script, String(port), String(share), String(topics)], {
        stdout: 'inherit',
        stderr: 'inherit',
        ipc: (said: ReadersSay) => void (this.#said[i] = said),
      }),
    )
  }

  get isReady(): boolean {
    return this.#said.every((said) => said !== null)
  }

  /** Events told to all of them. */
  get events(): number {
    return this.#said.reduce((sum, said) => sum + (said?.type === 'told' ? said.events : 0), 0)
  }

  /** When the last of them was told something. */
  get atMs(): number {
    return Math.max(...this.#said.map((said) => said?.atMs ?? 0))
  }

  close(): void {
    for (const child of this.#children) child.kill()
  }
}
