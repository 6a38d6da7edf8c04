import type { Arena } from '../arena.ts'

/** One kind of harm. A strike hurts, and takes the harm away again before it ends. */
export interface Nemesis {
  readonly name: string
  strike(arena: Arena): Promise<void>
}
