/**
 * Clients of locks, semaphores and elections: they ask, wait, hold, renew, write under their token,
 * give back, fall silent, hang up, and ask again elsewhere with their key.
 */
import type { LockAnswer, LockRequest } from '../../src/http/registry.ts'
import { leaseOfGrant } from '../../src/state/mod.ts'
import type { Command, LockGrantRow } from '../../src/state/mod.ts'
import type { SimNode } from './node.ts'
import type { Bench, Workload } from './workload.ts'

const NS = 'default'
/** Each with how many may hold it. */
const LOCKS = [
  ['one', 1],
  ['few', 2],
  ['some', 3],
] as const
/** Those that one client may hold more than once. */
const SHARED = LOCKS.slice(1)
/** Of the key's window: later a repeat is another request. */
const PATIENCE = 0.6

interface Asked {
  readonly name: string
  readonly owner: string
  readonly request: Omit<LockRequest, 'gone'>
  readonly begunMs: number
}

export class Lockers {
  readonly #bench: Bench
  readonly #workload: Workload

  constructor(bench: Bench, workload: Workload) {
    this.#bench = bench
    this.#workload = workload
  }

  async lock(n: number): Promise<void> {
    const { world, chance, plan } = this.#bench
    while (!this.#workload.isStopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs / 4))
      if (chance.oneIn(8)) {
        await this.#look()
        continue
      }
      const asked = await this.#asked(n)
      const grant = asked === null ? null : await this.#take(asked)
      if (grant === null) continue
      if (grant.lease !== null) await this.#takeMore(n, grant.lease)
      await this.#hold(grant)
      const isRevoked = grant.lease !== null && chance.oneIn(2)
      if (isRevoked) await this.#revoke(grant.lease)
    }
  }

  get #node(): SimNode {
    return this.#workload.withState(this.#bench.chance.pick(this.#bench.nodes))
  }

  /** More permits on one lease: its end gives all of them back by one entry. */
  async #takeMore(n: number, lease: string): Promise<void> {
    const { chance } = this.#bench
    for (let more = chance.int(0, 3); more > 0; more--) {
      const asked = await this.#asked(n, lease)
      if (asked !== null) await this.#take(asked)
    }
  }

  async #revoke(id: string): Promise<void> {
    await this.#workload.write(this.#node, { type: 'lease_revoke', ns: NS, id })
  }

  /** Null where the lease that it would live by could not be had. */
  async #asked(n: number, held: string | null = null): Promise<Asked | null> {
    const { world, chance, plan } = this.#bench
    const [name, permits] = chance.pick(held === null ? LOCKS : SHARED)
    const owner = `lk${n}-${this.#bench.next()}`
    const lease = held ?? (chance.oneIn(4) ? await this.#leased(owner) : null)
    if (lease === undefined) return null
    const waitMs = held === null ? chance.pick([0, 300, 1_500, 8_000, 8_000]) : 0
    const waiterTtlMs = chance.pick([300, 1_000, 3_000])
    const plain: Command = {
      type: 'lock_acquire',
      ns: NS,
      name,
      owner,
      ttlMs: lease === null ? plan.ttlMs : null,
      lease,
      limit: chance.oneIn(25) ? permits + 1 : permits,
      value: chance.oneIn(2) ? `${owner}-v0` : null,
      waiterTtlMs: waitMs > 0 ? waiterTtlMs : null,
    }
    const isKeyed = chance.oneIn(3)
    const requestHash = new Uint8Array(32)
    const command: Command = isKeyed
      ? { type: 'keyed', caller: '', key: owner, requestHash, command: plain }
      : plain
    const { timeoutMs } = plan
    const shared = { ns: NS, name, waitMs, waiterTtlMs, timeoutMs, closing: null }
    return { name, owner, request: { ...shared, command, isKeyed }, begunMs: world.nowMs }
  }

  /** A lease that the grant is to hang on; undefined where none was granted. */
  async #leased(owner: string): Promise<string | undefined> {
    const { world, plan, ttl } = this.#bench
    const id = `lease-${owner}`
    const sentMs = world.nowMs
    const grant: Command = { type: 'lease_grant', ns: NS, id, ttlMs: plan.ttlMs, owner }
    const outcome = await this.#workload.write(this.#node, grant)
    if (outcome?.ok !== true) return undefined
    ttl.acknowledged(id, sentMs, plan.ttlMs)
    return id
  }

  /** Until it is granted, refused or too late; with a key again elsewhere where no answer came. */
  async #take(asked: Asked): Promise<LockGrantRow | null> {
    const { world, chance, plan } = this.#bench
    const untilMs = asked.begunMs + Math.min(8_000, plan.keyRules.windowMs * PATIENCE)
    for (;;) {
      const answer = await this.#ask(asked)
      if (answer !== null) return answer.ok && answer.type === 'granted' ? answer.grant : null
      const isLate = world.nowMs >= untilMs || this.#workload.isStopped
      if (!asked.request.isKeyed || isLate) return null
      await world.sleep(chance.ms(1, 50))
    }
  }

  /** Null where it is not known what became of it. */
  async #ask(asked: Asked): Promise<LockAnswer | null> {
    const { world, chance, locks } = this.#bench
    const { request, owner } = asked
    const node = this.#node
    const gone = new AbortController()
    const hangsUp = request.waitMs > 0 && chance.oneIn(8)
    const waitMs = hangsUp
      ? chance.ms(1, request.waitMs + 50)
      : request.waitMs + 3 * request.timeoutMs
    const call = locks.begun(node)
    const { boot } = node
    const answer = await this.#workload.ask(node, waitMs, (gateway) => {
      locks.listen(gateway)
      return gateway.acquireLock({ ...request, gone: gone.signal })
    })
    // Whoever has no answer by now does not listen any more; nobody tells the dead.
    if (node.isUp && node.boot === boot) node.arrive(() => gone.abort())
    if (hangsUp) locks.hungUp(typeof answer === 'string')
    world.note(`${owner} asks ${node.id} for ${request.name}`, 0, () => JSON.stringify(answer))
    if (typeof answer === 'string') return null
    const { got } = answer
    if ('failure' in got || (got.ok && got.type === 'left')) return null
    locks.answered(call, { ...request, owner }, got)
    return got
  }

  async #hold(grant: LockGrantRow): Promise<void> {
    const { world, chance, plan } = this.#bench
    const lease = leaseOfGrant(grant)
    let value = 0
    for (let rounds = chance.int(0, 3); rounds >= 0; rounds--) {
      // A waiting client cannot tell how old its grant is: it renews before it counts on it.
      if ((await this.#workload.beat(lease)) === 'gone') break
      if (chance.oneIn(2)) await this.#write(grant)
      if (chance.oneIn(4)) await this.#setValue(grant, `${grant.owner}-v${++value}`)
      if (this.#workload.isStopped) break
      await world.sleep(chance.ms(plan.ttlMs / 8, plan.ttlMs / 3))
    }
    if (chance.oneIn(5)) await world.sleep(chance.ms(plan.ttlMs, 1.5 * plan.ttlMs))
    // Late ones too: what has lapsed must be refused.
    if (chance.oneIn(2)) await this.#write(grant)
    if (chance.oneIn(3)) return
    const { name, token } = grant
    await this.#workload.write(this.#node, { type: 'lock_release', ns: NS, name, token })
    if (chance.oneIn(3)) await this.#write(grant)
  }

  /** What the lock protects: a key that only holders may write (K1). */
  async #write({ name, token, owner }: LockGrantRow): Promise<void> {
    const command = this.#workload.putCommand(owner, `of-${name}`, null)
    const fences = [{ name, token }]
    const outcome = await this.#workload.write(this.#node, {
      type: 'guarded',
      ns: NS,
      fences,
      schemas: [],
      command,
    })
    if (outcome !== null) this.#bench.locks.wrote({ name, token }, outcome)
  }

  async #setValue({ name, token }: LockGrantRow, value: string): Promise<void> {
    await this.#workload.write(this.#node, { type: 'lock_value', ns: NS, name, token, value })
  }

  /** What followers of an election see, and what a resource asks. */
  async #look(): Promise<void> {
    const { chance, history } = this.#bench
    const { locks } = history.model
    const [name] = chance.pick(LOCKS)
    await this.#workload.read(this.#node, `look at ${name}`, {
      consistency: chance.pick(['lease', 'linearizable', 'stale'] as const),
      minRevision: 0,
      query: (state) => state.locks.lock(NS, name, 100),
      expected: (at) => locks.row(NS, name, at),
    })
  }
}
