/**
 * Clients: each a sequential process that asks any node, retries elsewhere, and remembers what it
 * was told. They go through the production gateway, as the routes do.
 */
import { present } from '../../src/lib/assert.ts'
import type { Consistency, Failure } from '../../src/http/registry.ts'
import type { Gateway } from '../../src/replica/mod.ts'
import type { Command, Expect, InstanceKey, Outcome, StateReader } from '../../src/state/mod.ts'
import { instanceLease } from '../../src/state/mod.ts'
import type { Chance } from './chance.ts'
import type { SimNode } from './node.ts'
import type { History } from './oracle/history.ts'
import type { Promises } from './oracle/promises.ts'
import type { KeyHistories, KeyWrite } from './oracle/key-histories.ts'
import type { Repeats } from './oracle/repeats.ts'
import type { LockAnswers } from './oracle/lock-answers.ts'
import type { Trims } from './oracle/trims.ts'
import type { NeverEarly } from './oracle/ttl.ts'
import type { Wakes } from './oracle/wakes.ts'
import type { Plan } from './plan.ts'
import type { Sometimes } from './sometimes/situations.ts'
import { Editors } from './editors.ts'
import { Operators } from './operators.ts'
import { Lockers } from './lockers.ts'
import { Repeaters } from './repeaters.ts'
import { Stagers } from './stagers.ts'
import type { World } from './world.ts'

export interface Bench {
  readonly world: World
  readonly plan: Plan
  readonly chance: Chance
  readonly nodes: readonly SimNode[]
  readonly history: History
  readonly promises: Promises
  readonly keys: KeyHistories
  readonly ttl: NeverEarly
  readonly locks: LockAnswers
  readonly wakes: Wakes
  readonly repeats: Repeats
  readonly trims: Trims
  readonly sometimes: Sometimes
  next(): number
}

const NS = 'default'
const SERVICE = 'web'
/** How long a client waits beyond the time it gave the node. */
const PATIENCE_MS = 300

/** `refused`: nothing was sent. `lost`: it was, and no answer will come. */
type Answer<T> = { readonly got: T } | 'refused' | 'lost'

export class Workload {
  readonly #bench: Bench
  readonly #silenced = new Set<string>()
  #stopped = false
  #open = 0

  constructor(bench: Bench) {
    this.#bench = bench
  }

  start(): void {
    const { plan } = this.#bench
    for (let i = 0; i < plan.clients; i++) this.run(this.#client(i))
    for (let i = 0; i < plan.instances; i++) this.run(this.#instance(i))
    for (let i = 0; i < plan.holders; i++) this.run(this.#holder(i))
    const operators = new Operators(this.#bench, this)
    for (let i = 0; i < plan.operators; i++) this.run(operators.operate())
    for (let i = 0; i < plan.waiters; i++) this.run(operators.wait())
    const repeaters = new Repeaters(this.#bench, this)
    for (let i = 0; i < plan.repeaters; i++) this.run(repeaters.repeat(i))
    const lockers = new Lockers(this.#bench, this)
    for (let i = 0; i < plan.lockers; i++) this.run(lockers.lock(i))
    const editors = new Editors(this.#bench, this)
    for (let i = 0; i < plan.editors; i++) this.run(editors.edit(i))
    const stagers = new Stagers(this.#bench, this)
    for (let i = 0; i < plan.stagers; i++) {
      this.run(stagers.release())
      for (let reader = 0; reader < 3; reader++) this.run(stagers.read())
    }
  }

  /** Lets everybody finish what they are at. */
  stop(): void {
    this.#stopped = true
  }

  /** Its owner is not heard of for a while. */
  silence(lease: string): void {
    this.#silenced.add(lease)
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  get isIdle(): boolean {
    return this.#open === 0
  }

  /** Counts as busy until it ends. */
  run(process: Promise<void>): void {
    this.#open += 1
    process.then(
      () => (this.#open -= 1),
      (error: unknown) => this.#bench.world.fail(error),
    )
  }

  /** Mixed reads and writes of a few keys. */
  async #client(n: number): Promise<void> {
    const { world, chance, plan } = this.#bench
    const versions = new Map<string, number | null>()
    let node = chance.pick(this.#bench.nodes)
    let session = 0
    while (!this.#stopped) {
      await world.sleep(chance.ms(0, plan.thinkMaxMs))
      if (chance.oneIn(3)) node = chance.pick(this.#bench.nodes)
      const key = `k${chance.int(1, plan.keys)}`
      const dice = chance.int(1, 100)
      if (dice <= 45) await this.#put(node, `c${n}`, key, versions)
      else if (dice <= 52) await this.#delete(node, `c${n}`, key, versions)
      else session = Math.max(session, await this.readConfig(node, key, { versions, session }))
    }
  }

  async #put(
    node: SimNode,
    who: string,
    key: string,
    versions: Map<string, number | null>,
  ): Promise<void> {
    const { chance } = this.#bench
    const known = versions.get(key)
    let expect: Expect | null = null
    if (known !== undefined && chance.oneIn(2)) {
      expect = known === null ? { match: null, absent: true } : { match: [known], absent: false }
    }
    const outcome = await this.write(node, this.putCommand(who, key, expect))
    if (outcome === null) return
    if (outcome.ok && outcome.result?.type === 'config') {
      versions.set(key, outcome.result.config.version)
    } else versions.delete(key)
  }

  putCommand(
    who: string,
    key: string,
    expect: Expect | null,
    lease: string | null = null,
  ): Command {
    const tag = `${who}-${this.#bench.next()}`
    return {
      type: 'config_put',
      ns: NS,
      key,
      contentType: 'text/plain',
      value: new TextEncoder().encode(tag),
      comment: null,
      by: tag,
      lease,
      expect,
    }
  }

  async #delete(
    node: SimNode,
    who: string,
    key: string,
    versions: Map<string, number | null>,
  ): Promise<void> {
    const by = `${who}-${this.#bench.next()}`
    const outcome = await this.write(node, { type: 'config_delete', ns: NS, key, by, expect: null })
    if (outcome?.ok === true) versions.set(key, null)
  }

  /** Returns the revision that was seen, 0 for none. */
  async readConfig(
    node: SimNode,
    key: string,
    more: {
      readonly versions?: Map<string, number | null>
      readonly session?: number
      readonly consistency?: Consistency
      readonly timeoutMs?: number
    },
  ): Promise<number> {
    const { chance, history } = this.#bench
    const modes: Consistency[] = ['lease', 'lease', 'linearizable', 'linearizable', 'stale']
    const consistency = more.consistency ?? chance.pick(modes)
    const minRevision = chance.oneIn(4) ? (more.session ?? 0) : 0
    const calledMs = this.#bench.world.nowMs
    const answer = await this.read(node, `${consistency} read of ${key}`, {
      consistency,
      minRevision,
      timeoutMs: more.timeoutMs ?? this.#bench.plan.timeoutMs,
      query: (state) => configView(state.config(NS, key)),
      expected: (at) => {
        const config = history.model.configs.at(NS, key, at)
        return configView(config === null ? null : { ...config.meta, value: config.value })
      },
    })
    if (answer === null) return 0
    if (consistency !== 'stale') {
      this.#bench.keys.read(key, answer.value, calledMs, this.#bench.world.nowMs)
      more.versions?.set(key, answer.value?.version ?? null)
    }
    return answer.revision
  }

  /** Null where no answer came. */
  async read<T>(
    asked: SimNode,
    what: string,
    options: {
      readonly consistency: Consistency
      readonly minRevision: number
      readonly timeoutMs?: number
      query(state: StateReader): T
      expected(revision: number): T
    },
  ): Promise<{ readonly revision: number; readonly value: T } | null> {
    const { plan, promises, world, history, sometimes } = this.#bench
    const { consistency, minRevision, query, expected, timeoutMs = plan.timeoutMs } = options
    const node = this.withState(asked)
    const call = promises.call(world.nowMs)
    const request = { consistency, minRevision, maxStalenessMs: null, timeoutMs }
    const answer = await this.ask(node, timeoutMs, (gateway) => gateway.read(request, query))
    if (typeof answer === 'string') return null
    if (!answer.got.ok) {
      if (answer.got.failure === 'fenced') sometimes.met('a read was refused by a fenced node')
      return null
    }
    const { value, stamp } = answer.got
    const { revision } = stamp
    promises.mayAnswer(node, revision)
    const name = `${what} on ${node.id} (served as ${stamp.consistency})`
    const stale = consistency === 'stale'
    if (stale && revision < history.last) sometimes.met('a stale read was behind')
    if (consistency === 'lease' && stamp.consistency === 'linearizable') {
      sometimes.met('a lease read was answered as linearizable')
    }
    const { stalenessMs } = stamp
    promises.read(name, { revision, minRevision, value, stale, stalenessMs }, expected, call)
    world.note(`${what} on ${node.id}`, revision)
    return { revision, value }
  }

  /** Null where no outcome was learnt. */
  async write(
    node: SimNode,
    command: Command,
    timeoutMs = this.#bench.plan.timeoutMs,
  ): Promise<Outcome | null> {
    const { promises, world, history, sometimes } = this.#bench
    const call = promises.call(world.nowMs)
    const name = `${command.type} begun at ${call.atMs.toFixed(3)} on ${node.id}`
    const write = promises.write(name, command)
    const ofKey = isOfKey(command) ? this.#bench.keys.begun(command, call.atMs) : null
    const term = node.isUp ? node.raft.term : Infinity
    const answer = await this.ask(node, timeoutMs, (gateway) =>
      gateway.propose(command, { timeoutMs }),
    )
    if (typeof answer === 'string') {
      if (answer === 'refused') this.#bench.keys.refused(ofKey)
      promises.failed(write, answer === 'refused')
      return null
    }
    const outcome = answer.got
    if (isFailure(outcome)) {
      this.#noteFailure(outcome)
      if (outcome.failure !== 'outcome_unknown') this.#bench.keys.refused(ofKey)
      promises.failed(write, outcome.failure !== 'outcome_unknown')
      world.note(`${command.type} on ${node.id} fails`, 0, () => outcome.failure)
      return null
    }
    promises.acknowledged(write, command, outcome, call)
    this.#bench.keys.answered(ofKey, outcome, world.nowMs)
    if ((history.at(outcome.revision)?.entry.term ?? 0) > term) {
      sometimes.met('a write outlived the leader it was begun under')
    }
    world.note(`${command.type} on ${node.id}`, outcome.revision)
    return outcome
  }

  #noteFailure({ failure }: Failure): void {
    const { sometimes } = this.#bench
    if (failure === 'too_many_requests') {
      sometimes.met('a write was refused for a full queue or disk')
    }
    if (failure === 'no_leader') sometimes.met('a write found no leader in its time')
  }

  /** A service's process: registers, beats, falls silent now and then, leaves, comes back. */
  async #instance(n: number): Promise<void> {
    const { world, chance, plan } = this.#bench
    const key: InstanceKey = { ns: NS, service: SERVICE, id: `i${n}` }
    const removeAfterMs = chance.pick([0, 0, plan.ttlMs, null])
    let registered = false
    while (!this.#stopped) {
      if (!registered) {
        registered = await this.#register(key, removeAfterMs)
        await world.sleep(chance.ms(5, 60))
        continue
      }
      if (this.#silenced.delete(instanceLease(key))) {
        await world.sleep(plan.ttlMs * 2)
        continue
      }
      if (chance.oneIn(12)) {
        registered = await this.#fallSilent(key)
        continue
      }
      if (chance.oneIn(40)) {
        const node = chance.pick(this.#bench.nodes)
        await this.write(node, { type: 'instance_delete', key, expect: null })
        registered = false
        continue
      }
      if (chance.oneIn(8)) await this.#readInstance(key)
      const renewed = await this.beat(instanceLease(key))
      if (renewed === 'gone') registered = false
      await world.sleep(renewed === 'lost' ? 20 : chance.ms(plan.ttlMs / 5, plan.ttlMs * 0.75))
    }
  }

  /** Whether it goes on beating after it; else it registers, whatever is known of it. */
  async #fallSilent(key: InstanceKey): Promise<boolean> {
    const { world, chance, plan } = this.#bench
    if (chance.oneIn(2)) await this.#untilLastMoment(instanceLease(key))
    else await world.sleep(chance.ms(plan.ttlMs * 0.7, plan.ttlMs * chance.pick([1.3, 4])))
    return chance.oneIn(2)
  }

  /**
   * Until its lease is about to run out on the leader: what it does then is proposed before the
   * expiry, and not applied yet when that is (DESIGN §5.2).
   */
  async #untilLastMoment(lease: string): Promise<void> {
    const { world, chance, plan, nodes } = this.#bench
    const aheadMs = chance.ms(0, 3 + plan.disk.syncMaxMs)
    const untilMs = world.nowMs + 2 * plan.ttlMs
    while (world.nowMs < untilMs && !this.#stopped) {
      const leader = nodes.find((node) => node.isUp && node.raft.role === 'leader')
      const leftMs = leader?.gateway.expiresInMs(lease) ?? plan.ttlMs / 4
      if (leftMs <= aheadMs) return
      await world.sleep(Math.max(1, (leftMs - aheadMs) * 0.8))
    }
  }

  async #register(key: InstanceKey, removeAfterMs: number | null): Promise<boolean> {
    const { world, chance, plan, ttl } = this.#bench
    const sentMs = world.nowMs
    const outcome = await this.write(chance.pick(this.#bench.nodes), {
      type: 'instance_put',
      key,
      spec: {
        address: '10.0.0.1',
        port: 80,
        ports: {},
        addresses: {},
        tags: [],
        metadata: { tag: `${key.id}-${this.#bench.next()}` },
        weight: 1,
        status: 'up',
        zone: null,
        node: chance.pick([null, 'host1', 'host2']),
        cluster: null,
        ttlMs: plan.ttlMs,
        removeAfterMs,
      },
      expect: null,
    })
    if (outcome?.ok !== true) return false
    ttl.acknowledged(instanceLease(key), sentMs, plan.ttlMs)
    return true
  }

  async beat(
    lease: string,
    node = this.#bench.chance.pick(this.#bench.nodes),
  ): Promise<'renewed' | 'gone' | 'lost'> {
    const { world, plan, ttl, promises } = this.#bench
    const sentMs = world.nowMs
    const { floor } = promises.call(sentMs)
    const { timeoutMs } = plan
    const answer = await this.ask(node, timeoutMs, (gateway) =>
      gateway.heartbeat([lease], { timeoutMs }),
    )
    if (typeof answer === 'string' || !answer.got.ok) return 'lost'
    const renewal = answer.got.renewals[0] ?? null
    world.note(`beat of ${lease}`, renewal === null ? 0 : 1)
    if (renewal === null) {
      ttl.gone(lease, floor)
      return 'gone'
    }
    // What a patch added to the TTL, another may take back.
    ttl.acknowledged(lease, sentMs, Math.min(renewal.ttlMs, plan.ttlMs))
    return 'renewed'
  }

  async #readInstance(key: InstanceKey): Promise<void> {
    const { chance, history } = this.#bench
    await this.read(chance.pick(this.#bench.nodes), `read of ${key.id}`, {
      consistency: chance.pick(['lease', 'linearizable', 'stale']),
      minRevision: 0,
      query: (state) => view(state.instance(key)),
      expected: (at) => view(history.model.services.instance(key, at)),
    })
  }

  /** Somebody with a lease of its own, and a key that hangs on it. */
  async #holder(n: number): Promise<void> {
    const { world, chance, plan, ttl } = this.#bench
    const who = `h${n}`
    while (!this.#stopped) {
      const id = `lease-${who}-${this.#bench.next()}`
      const { ttlMs } = plan
      const sentMs = world.nowMs
      const owner = `${who}-${this.#bench.next()}`
      const grant: Command = { type: 'lease_grant', ns: NS, id, ttlMs, owner }
      const outcome = await this.write(chance.pick(this.#bench.nodes), grant)
      await world.sleep(chance.ms(10, 100))
      if (outcome?.ok !== true) continue
      ttl.acknowledged(id, sentMs, ttlMs)
      const put = this.putCommand(who, `held-${who}`, null, id)
      await this.write(chance.pick(this.#bench.nodes), put)
      await this.#hold(id)
    }
  }

  async #hold(id: string): Promise<void> {
    const { world, chance, plan } = this.#bench
    for (let beats = chance.int(1, 12); beats > 0 && !this.#stopped; beats--) {
      if ((await this.beat(id)) === 'gone') return
      await world.sleep(chance.ms(plan.ttlMs / 5, plan.ttlMs / 2))
    }
    if (chance.oneIn(2)) {
      await this.write(chance.pick(this.#bench.nodes), { type: 'lease_revoke', ns: NS, id })
    }
  }

  /** A witness passes on what is about the state: to the leader, as it knows it. */
  withState(node: SimNode): SimNode {
    const { nodes } = this.#bench
    if (!node.isWitness) return node
    const leader = node.isUp ? node.raft.leader : null
    const others = nodes.filter(({ isWitness }) => !isWitness)
    return present(others.find(({ id }) => id === leader) ?? others[0], 'somebody keeps data')
  }

  /** There and back; the way takes time, and the node may die or stand still meanwhile. */
  ask<T>(
    node: SimNode,
    timeoutMs: number,
    run: (gateway: Gateway) => Promise<T>,
  ): Promise<Answer<T>> {
    const { world, chance } = this.#bench
    return new Promise((resolve) => {
      let sent = false
      const end = (answer: Answer<T>): void => {
        node.onDeath.delete(died)
        cancel()
        resolve(answer)
      }
      const died = (): void => end(sent ? 'lost' : 'refused')
      const cancel = world.after(timeoutMs + PATIENCE_MS, () => end('lost'))
      world.after(chance.ms(0.05, 1), () => {
        if (!node.isUp) return end('refused')
        node.onDeath.add(died)
        sent = true // From here on it may be read by the process, also after a pause.
        node.arrive(() => {
          run(node.gateway).then(
            (got) => world.after(chance.ms(0.05, 1), () => end({ got })),
            (error: unknown) => world.fail(error),
          )
        })
      })
    })
  }
}

function isFailure(outcome: Outcome | Failure): outcome is Failure {
  return 'failure' in outcome
}

function isOfKey(command: Command): command is KeyWrite {
  return command.type === 'config_put' || command.type === 'config_delete'
}

/** What is compared of a key. */
function configView(
  config: { readonly version: number; readonly value: Uint8Array } | null,
): { readonly version: number; readonly by: string } | null {
  return config === null ? null : { version: config.version, by: text.decode(config.value) }
}

const text = new TextDecoder()

/** What is compared of an instance. */
function view(row: { revision: number; health: string; spec: object } | null): unknown {
  return row === null ? null : [row.revision, row.health, row.spec]
}
