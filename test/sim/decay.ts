/**
 * States that go bad by themselves: rows that a disk hurt, and an apply that came to something else
 * on one node. One node at a time, so that a majority is right; only where three or more keep
 * voting, since a wrong node needs two others to be outvoted and to be repaired from.
 */
import type { Chance } from './chance.ts'
import type { SimNode } from './node.ts'
import type { StateSource } from './state-source.ts'
import type { World } from './world.ts'

export class Decay {
  readonly #world: World
  readonly #chance: Chance
  readonly #nodes: readonly SimNode[]
  readonly #states: StateSource
  readonly #meanMs: number
  #stopped = false
  #spoiled = 0

  constructor(given: {
    readonly world: World
    readonly chance: Chance
    readonly nodes: readonly SimNode[]
    readonly states: StateSource
    /** Whether this seed may have it. */
    readonly spoils: boolean
  }) {
    this.#world = given.world
    this.#chance = given.chance
    this.#nodes = given.nodes.filter((node) => !node.isWitness)
    this.#states = given.states
    const isPossible = given.spoils && this.#nodes.length >= 3
    const isOn = given.chance.oneIn(3) && isPossible
    this.#meanMs = isOn ? given.chance.int(1_500, 8_000) : 0
  }

  get isOn(): boolean {
    return this.#meanMs > 0
  }

  get counts(): readonly (readonly [string, number])[] {
    return [['states spoiled', this.#spoiled]]
  }

  start(delayMs: number): void {
    if (this.isOn) this.#repeat(delayMs)
  }

  stop(): void {
    this.#stopped = true
  }

  #repeat(delayMs: number): void {
    this.#world.after(delayMs + this.#chance.ms(0, this.#meanMs * 2), () => {
      if (this.#stopped) return
      this.#spoil(this.#chance.pick(this.#nodes), this.#chance.pick(['rows', 'apply'] as const))
      this.#repeat(0)
    })
  }

  #spoil(node: SimNode, rot: 'rows' | 'apply'): void {
    const isWrong = ({ id }: SimNode): boolean =>
      this.#states.rotOf(id) !== null || this.#states.fenced(id) !== null
    if (!node.isUp || this.#nodes.some(isWrong)) return
    if (!this.#states.spoil(node.id, rot)) return
    this.#spoiled += 1
    this.#world.note(`the state of ${node.id} goes bad: ${rot}`)
  }
}
