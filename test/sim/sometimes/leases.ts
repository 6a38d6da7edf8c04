import type { LeaseRef } from '../../../src/state/mod.ts'
import type { Committed } from '../oracle/history.ts'
import type { Invariant, Scene } from '../observer.ts'

/** Situations of leases; asserts nothing. */
export class LeaseSituations implements Invariant {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  committed({ entry, command, effect }: Committed): void {
    if (command === null || effect === null) return
    const { sometimes, history } = this.#scene
    const before = entry.index - 1
    if (command.type === 'lease_clear') {
      for (const change of effect.leases) {
        if (change.type !== 'cleared') continue
        const lapsed = history.model.lease(change.lease.id, before)?.lapsed ?? false
        sometimes.met(
          lapsed ? 'a lapsed lease was revived' : 'a suspect lease was cleared by a beat',
        )
      }
    }
    if (command.type === 'lease_remove' && effect.leases.length > 0) {
      sometimes.met('a lapsed instance was removed')
    }
    if (command.type === 'lease_expire') this.#expire(command.leases, before)
  }

  #expire(leases: readonly LeaseRef[], before: number): void {
    const { sometimes, history } = this.#scene
    for (const { id, leaseRevision } of leases) {
      const lease = history.model.lease(id, before)
      if (lease === null) sometimes.met('an expiry was void: gone already')
      else if (lease.leaseRevision !== leaseRevision) {
        sometimes.met('an expiry was void: registered again meanwhile')
      }
    }
  }
}
