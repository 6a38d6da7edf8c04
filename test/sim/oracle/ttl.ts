/**
 * L1: a lease never ends early. Nobody may see it gone before the TTL has passed since the *sending*
 * of the last keep-alive that was acknowledged, registration included; one clock judges, the
 * world's, and the leader's clock may be fast by the drift that nodes are told of.
 *
 * L2: an acknowledged renewal and an expiry of the same lease cannot both win.
 */
import type { Entry } from '../../../src/raft/mod.ts'
import type { Invariant, Scene } from '../observer.ts'
import type { SimNode } from '../node.ts'
import { insist } from '../violation.ts'

interface Expiry {
  readonly index: number
  readonly atMs: number
}

export class NeverEarly implements Invariant {
  readonly #scene: Scene
  readonly #drift: number
  /** By lease: when the last acknowledged keep-alive was sent. */
  readonly #sentMs = new Map<string, number>()
  readonly #expired = new Map<string, Expiry>()
  #checked = 0
  readonly counts = { expired: 0, renewed: 0 }

  constructor(scene: Scene, clockDrift: number) {
    this.#scene = scene
    this.#drift = clockDrift
  }

  #trueTtl(ttlMs: number): number {
    return ttlMs / (1 + this.#drift) - 0.001 // Sums of fractions.
  }

  applying(node: SimNode, entries: readonly Entry[]): void {
    for (const { index } of entries) {
      if (index <= this.#checked) continue
      this.#checked = index
      const known = this.#scene.history.at(index)
      const { nowMs } = this.#scene.world
      for (const lease of known?.effect?.expired ?? []) {
        this.counts.expired += 1
        this.#scene.world.note(`${lease.id} expires`, index)
        this.#expired.set(lease.id, { index, atMs: nowMs })
        const sentMs = this.#sentMs.get(lease.id)
        insist(
          sentMs === undefined || nowMs >= sentMs + this.#trueTtl(lease.ttlMs),
          'a TTL never ends early (L1)',
          () =>
            `${lease.id} (${lease.ttlMs} ms) is gone on ${node.id} at ${nowMs}, a keep-alive sent ` +
            `at ${sentMs} was acknowledged`,
        )
      }
    }
  }

  /**
   * A keep-alive was told that there is no such lease: so it was at some revision that the leader
   * may have been at, from `floor`, what anybody had been told of before, on.
   */
  gone(lease: string, floor: number): void {
    const { history } = this.#scene
    let isGone = false
    for (let revision = floor; revision <= history.last && !isGone; revision++) {
      isGone = history.model.lease(lease, revision) === null
    }
    insist(
      isGone,
      'a lease is called gone only where it is',
      () => `${lease} was there at all revisions from ${floor} to ${history.last}`,
    )
  }

  /** A keep-alive sent at `sentMs` was answered with a TTL. */
  acknowledged(lease: string, sentMs: number, ttlMs: number): void {
    this.counts.renewed += 1
    this.#sentMs.set(lease, Math.max(sentMs, this.#sentMs.get(lease) ?? 0))
    const expiry = this.#expired.get(lease)
    if (expiry === undefined || expiry.atMs < sentMs) return
    const { history } = this.#scene
    const row = history.model.lease(lease, history.last)
    const came = row !== null && row.leaseRevision > expiry.index
    const revived = row !== null && row.onLapse === 'lapse'
    const armedSince = history.entries.slice(expiry.index).some(({ effect }) =>
      effect?.leases.some(
        // Cleared: a beat revived what had lapsed, and a client may have deleted it since.
        (change) =>
          (change.type === 'armed' || change.type === 'cleared') && change.lease.id === lease,
      ),
    )
    insist(
      came || revived || armedSince || expiry.atMs >= sentMs + this.#trueTtl(ttlMs),
      'a renewal and an expiry cannot both win (L2)',
      () =>
        `${lease}: a keep-alive sent at ${sentMs} was acknowledged, ` +
        `the lease ended at ${expiry.atMs} by entry ${expiry.index}`,
    )
  }
}
