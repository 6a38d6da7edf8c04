export * from './situations.ts'
import { CustodySituations } from './custody.ts'
import { DeadMemberSituations } from './dead-members.ts'
import { ElectionSituations } from './elections.ts'
import { LeaseSituations } from './leases.ts'
import { LogSituations } from './logs.ts'
import { WitnessSituations } from './witnesses.ts'
import { WrappedSituations } from './wrapped.ts'
import type { Invariant, Scene } from '../observer.ts'

/** Who looks out for what is interesting. */
export function allSituations(scene: Scene): Invariant[] {
  return [
    new ElectionSituations(scene),
    new LogSituations(scene),
    new DeadMemberSituations(scene),
    new LeaseSituations(scene),
    new CustodySituations(scene),
    new WitnessSituations(scene),
    new WrappedSituations(scene),
  ]
}
