/**
 * What clients of locks are told (RELIABILITY K1, K2; DESIGN §8), whatever the state machine says:
 *
 * (a) a token belongs to one grant, its owner's, at the revision that it is;
 * (b) a grant that was waited for, or asked for again, is told only once it was renewed;
 * (c) "not granted" means that neither a grant nor a place in the queue is left;
 * (d) a write under a token was done only while that token was a holder's;
 * (e) a permit and who waits for it do not stay apart while a leader is at work.
 */
import type { LockAnswer, LockRequest } from '../../../src/http/registry.ts'
import type { Gateway } from '../../../src/replica/mod.ts'
import { leaseOfGrant } from '../../../src/state/mod.ts'
import type { LockGrantRow, Outcome } from '../../../src/state/mod.ts'
import type { SimNode } from '../node.ts'
import type { Invariant, Scene } from '../observer.ts'
import { insist } from '../violation.ts'
import type { Committed } from './history.ts'

const NS = 'default'

/** So many entries on their way are no reason for a permit to wait. */
const BACKLOG = 10

/** One request to one node. */
interface Call {
  readonly node: SimNode
  readonly atMs: number
}

interface Apart {
  readonly term: number
  readonly sinceMs: number
}

export class LockAnswers implements Invariant {
  readonly #scene: Scene
  /** When each lease was last renewed, as some node was told. */
  readonly #renewedMs = new Map<string, number>()
  readonly #listening = new WeakSet<Gateway>()
  /** By name and token, and by owner: an entry may grant one permit of each of several names. */
  readonly #told = new Map<string, string>()
  readonly #tokens = new Map<string, number>()
  /** Names whose permit and waiter have not met, since when under which leader. */
  readonly #apart = new Map<string, Apart>()
  readonly counts = { granted: 0, notGranted: 0, fenced: 0 }

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** Notes what the gateway of a process is told of its renewals. */
  listen(gateway: Gateway): void {
    if (this.#listening.has(gateway)) return
    this.#listening.add(gateway)
    const heartbeat = gateway.heartbeat.bind(gateway)
    gateway.heartbeat = async (leases, options) => {
      const answer = await heartbeat(leases, options)
      if (!answer.ok) return answer
      for (const [i, lease] of leases.entries()) {
        if (answer.renewals[i] != null) this.#renewedMs.set(lease, this.#scene.world.nowMs)
      }
      return answer
    }
  }

  begun(node: SimNode): Call {
    return { node, atMs: this.#scene.world.nowMs }
  }

  hungUp(isUnanswered: boolean): void {
    if (isUnanswered) this.#scene.sometimes.met('a client hung up while it waited for a lock')
  }

  answered(
    call: Call,
    asked: Pick<LockRequest, 'name' | 'isKeyed' | 'waitMs'> & { readonly owner: string },
    answer: LockAnswer,
  ): void {
    if (!answer.ok) return
    if (answer.type === 'granted') this.#granted(call, asked, answer.grant)
    else if (answer.type === 'not_granted') this.#notGranted(asked)
  }

  #granted(
    { node, atMs }: Call,
    { name, owner, isKeyed }: Pick<LockRequest, 'name' | 'isKeyed'> & { readonly owner: string },
    grant: LockGrantRow,
  ): void {
    const { history, sometimes } = this.#scene
    this.counts.granted += 1
    const { token, place } = grant
    const holders = history.model.locks.holders(NS, name, token)
    insist(
      holders.some((one) => one.token === token && one.owner === owner && one.place === place),
      'a token is of the grant that it was told for (K1)',
      () => `${owner} was told ${token} of ${name}, where ${JSON.stringify(holders)} hold it`,
    )
    insist(
      (this.#told.get(`${name}/${token}`) ?? owner) === owner &&
        (this.#tokens.get(owner) ?? token) === token,
      'a token is told to one client, and to it alone (K1)',
      () => `${owner} was told ${token} of ${name}, of ${this.#told.get(`${name}/${token}`)}`,
    )
    this.#told.set(`${name}/${token}`, owner)
    this.#tokens.set(owner, token)
    const hasWaited = place !== token
    if (hasWaited) sometimes.met('a lock was granted to one who waited')
    const renewedMs = this.#renewedMs.get(leaseOfGrant(grant)) ?? -Infinity
    insist(
      (!hasWaited && !isKeyed) || renewedMs >= atMs,
      'a grant that was waited for is told once it is renewed (DESIGN §8)',
      () => `${node.id} told ${owner} ${token} of ${name}, last renewed at ${renewedMs}`,
    )
  }

  #notGranted({ name, owner }: { readonly name: string; readonly owner: string }): void {
    const { history } = this.#scene
    this.counts.notGranted += 1
    if (this.#placesOf(owner).size > 1) return // An earlier one is for its TTL to end.
    const row = history.model.locks.row(NS, name, history.last)
    const left = [...(row?.holders ?? []), ...(row?.waiters ?? [])]
    insist(
      !left.some((one) => one.owner === owner),
      'who was not granted holds nothing and waits for nothing (DESIGN §8)',
      () => `${owner} was told so, and ${name} is ${JSON.stringify(row)}`,
    )
  }

  /** More than one where the same key came again when it was no longer kept: another request then. */
  #placesOf(owner: string): ReadonlySet<number> {
    const places = new Set<number>()
    for (const { command, effect } of this.#scene.history.entries) {
      if (command?.type !== 'keyed' || command.key !== owner) continue
      const result = effect?.outcome.ok === true ? effect.outcome.result : null
      if (result?.type === 'lock') places.add(result.grant.place)
      if (result?.type === 'lock_queued') places.add(result.place)
    }
    return places
  }

  /** What a write under a token came to. */
  wrote(fence: { readonly name: string; readonly token: number }, outcome: Outcome): void {
    const { history, sometimes } = this.#scene
    const { name, token } = fence
    const held = history.model.locks.holders(NS, name, outcome.revision - 1)
    const isHeld = held.some((one) => one.token === token)
    if (!outcome.ok && outcome.code === 'stale_token') {
      this.counts.fenced += 1
      sometimes.met('a write under a token that was lost was refused')
    }
    const isStale = !outcome.ok && outcome.code === 'stale_token'
    insist(
      isHeld !== isStale,
      'a write counts while its token is a holder’s, and not after (K1)',
      () => `a write under ${token} of ${name} came to ${JSON.stringify(outcome)}`,
    )
  }

  /** So much waits for the majority that what the leader has appended for it may be among that. */
  #isBehind(term: number, committed: number): boolean {
    const leader = this.#scene.nodes.find(
      (node) => node.isUp && node.raft.role === 'leader' && node.raft.term === term,
    )
    return leader === undefined || leader.raft.last - committed > BACKLOG
  }

  committed({ entry, inTerm }: Committed): void {
    const { history, world, plan } = this.#scene
    const ready = history.model.locks.readyAt(entry.index)
    const names = new Set(ready.map(({ name }) => name))
    for (const name of this.#apart.keys()) if (!names.has(name)) this.#apart.delete(name)
    for (const name of names) {
      const known = this.#apart.get(name)
      // Another leader takes over what is left, once its term has begun.
      if (known === undefined || known.term !== inTerm || entry.type !== 'command') {
        this.#apart.set(name, { term: inTerm, sinceMs: world.nowMs })
        this.#scene.sometimes.met('a permit was left for an entry of its own')
        continue
      }
      const boundMs = plan.electionMaxMs + 100 * plan.disk.syncMaxMs + 1_000
      insist(
        plan.faults.diskFull > 0 ||
          this.#isBehind(inTerm, entry.index) ||
          world.nowMs - known.sinceMs < boundMs,
        'a permit and who waits for it meet (DESIGN §8)',
        () => `${name} has both since ${known.sinceMs} in term ${inTerm}`,
      )
    }
  }
}
