import type { Arena } from '../arena.ts'
import type { Nemesis } from '../nemeses/nemesis.ts'

/** One of them after the other, as chance has it, until the run is over. */
export async function strikeOn(arena: Arena, nemeses: readonly Nemesis[]): Promise<void> {
  while (!arena.run.isOver) {
    await arena.run.oneOf(nemeses).strike(arena)
    await Bun.sleep(arena.run.between(10, 100))
  }
}
