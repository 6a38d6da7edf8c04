import { prng, type Random } from '../../src/lib/prng.ts'

/** Draws of one stream of chance. Every part of the world has its own, so they do not disturb. */
export class Chance {
  readonly random: Random

  constructor(seed: number, stream: number) {
    this.random = prng(seed * 64 + stream)
  }

  /** A whole number in `[from, to]`. */
  int(from: number, to: number): number {
    return from + this.random(to - from + 1)
  }

  /** Milliseconds in `[from, to)`, in steps of a microsecond. */
  ms(from: number, to: number): number {
    return from + this.random(Math.max(1, Math.floor((to - from) * 1_000))) / 1_000
  }

  /** True `parts` times in a thousand. */
  permille(parts: number): boolean {
    return parts > 0 && this.random(1_000) < parts
  }

  oneIn(count: number): boolean {
    return this.random(count) === 0
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random(items.length)] as T
  }

  shuffled<T>(items: readonly T[]): T[] {
    const shuffled = [...items]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.random(i + 1)
      const other = shuffled[j] as T
      shuffled[j] = shuffled[i] as T
      shuffled[i] = other
    }
    return shuffled
  }
}
