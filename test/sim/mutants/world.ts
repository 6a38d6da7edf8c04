import type { Mutant } from './mutant.ts'

/** Not bugs of production: a world that is worse than it is told of, to see the oracles at work. */
export const WORLD_MUTANTS: readonly Mutant[] = [
  {
    name: 'drift-beyond-bound',
    source:
      'clocks are slower by five times the bound: leases must be seen to overlap (scenario 42)',
    file: 'test/sim/node.ts',
    find: 'this.#chance.pick([-parts, parts, this.#chance.int(-parts, parts)])',
    replace:
      'this.#chance.pick([this.#around.isHealed() ? 0 : -5 * parts, parts, this.#chance.int(-parts, parts)])',
    more: [
      // Who judges how old a read may be is told the truth, as the nodes are not.
      {
        file: 'test/sim/run.ts',
        find: 'drift: plan.clockDrift,',
        replace: 'drift: plan.clockDrift * 5,',
      },
    ],
  },
]
