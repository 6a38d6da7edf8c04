/** What a machine stands in: the world, and what the whole run shares. */
import type { NodeId } from '../../src/raft/mod.ts'
import type { FoundingMember } from '../../src/replica/mod.ts'
import type { Network } from './network.ts'
import type { SimNode } from './node.ts'
import type { Observer } from './observer.ts'
import type { History } from './oracle/history.ts'
import type { Plan } from './plan.ts'
import type { Sometimes } from './sometimes/situations.ts'
import type { StateSource } from './state-source.ts'
import type { World } from './world.ts'

export interface Surroundings {
  readonly world: World
  readonly plan: Plan
  readonly network: Network
  readonly observer: Observer
  readonly states: StateSource
  readonly history: History
  readonly founding: readonly FoundingMember[]
  readonly sometimes: Sometimes
  /** Whether faults are over. */
  isHealed(): boolean
  /** A number that was never given out in this run. */
  next(): number
  node(id: NodeId): SimNode
}

/** In which order what waited is done after a pause: as an event loop does. */
export type Phase = 0 | 1 | 2
export const TIMERS: Phase = 0
export const SOCKETS: Phase = 1
export const TURN: Phase = 2
