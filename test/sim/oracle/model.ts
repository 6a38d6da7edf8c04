/**
 * The state machine once more, from the contract rather than from the code: maps, every revision
 * kept. Reads are judged by it (RELIABILITY §3.1), and in seeds with SQLite every outcome of the
 * production state machine is compared with its own.
 */
import type {
  Command,
  CommandOf,
  KeyRules,
  LeaseChange,
  LeaseRef,
  LeaseRow,
  LockKey,
  Outcome,
  OutcomeResult,
  TopicChange,
} from '../../../src/state/mod.ts'
import { EVENT_KINDS, instanceOfLease, sinceClusterVersion } from '../../../src/state/mod.ts'
import type { ModelEvent } from './feed.ts'
import { ConfigModel } from './model-config.ts'
import { LockModel } from './model-locks.ts'
import { ServiceModel } from './model-services.ts'
import { Topics } from './topics.ts'
import { storeOf, Versions } from './versions.ts'
import { guardedModel, KeyModel, txnModel, type Now } from './wrapped.ts'

export interface Effect {
  readonly outcome: Outcome
  readonly leases: readonly LeaseChange[]
  /** What waiters are told of; a topic may be named more than once. */
  readonly topics: readonly TopicChange[]
  /** What watchers are told, in order. */
  readonly events: readonly ModelEvent[]
  /** Where a further grant has to wait for an entry of its own. */
  readonly readyLocks: readonly LockKey[]
  /** Leases whose TTL ran out by this entry. */
  readonly expired: readonly LeaseRow[]
}

export class Model {
  readonly #leases = new Map<string, Versions<LeaseRow>>()
  readonly topics = new Topics()
  readonly configs: ConfigModel
  readonly services: ServiceModel
  readonly locks: LockModel
  readonly #version = new Versions<number>()
  readonly #keys: KeyModel
  #revision = 0
  #wallMs = 0
  #clusterMs = 0
  #changes: LeaseChange[] = []
  #touched: TopicChange[] = []
  #told: ModelEvent[] = []
  #expired: LeaseRow[] = []

  constructor(rules: KeyRules) {
    this.#keys = new KeyModel(rules)
    const host = {
      now: () => ({ revision: this.#revision, wallMs: this.#wallMs }),
      lease: (id: string) => this.#lease(id),
      touch: (ns: string, topic: string) => this.#touch(ns, topic),
      tell: (ns: string, topic: string, kind: keyof typeof EVENT_KINDS) =>
        this.#tell(ns, topic, kind),
    }
    this.configs = new ConfigModel(host)
    this.services = new ServiceModel({
      ...host,
      arm: (terms) => this.#arm(terms),
      change: (type, lease) => this.#change(type, lease),
      end: (lease, why) => this.#end(lease, why),
    })
    this.locks = new LockModel({
      ...host,
      arm: (ns, id, ttlMs, unclaimedMs) => {
        const terms = { id, ns, ttlMs, removeAfterMs: 0, onLapse: 'remove', owner: null } as const
        this.#arm(terms, unclaimedMs)
      },
      drop: (id) => this.#dropped(id),
    })
  }

  clusterVersion(revision: number): number {
    return this.#version.at(revision) ?? 1
  }

  lease(id: string, revision: number): LeaseRow | null {
    return this.#leases.get(id)?.at(revision) ?? null
  }

  leases(revision: number): LeaseRow[] {
    return [...this.#leases.keys()].sort().flatMap((id) => this.lease(id, revision) ?? [])
  }

  apply(
    command: Command,
    revision: number,
    { wallMs, clusterMs }: { readonly wallMs: number; readonly clusterMs: number },
  ): Effect {
    this.#revision = revision
    this.#wallMs = wallMs
    this.#clusterMs = clusterMs
    this.#changes = []
    this.#touched = []
    this.#told = []
    this.#expired = []
    this.locks.ready = []
    const outcome = this.#outcome(command)
    const readyLocks = this.locks.ready
    return {
      outcome,
      leases: this.#changes,
      topics: this.#touched,
      readyLocks,
      events: this.#told,
      expired: this.#expired,
    }
  }

  /** What not all members know yet all refuse alike (DESIGN §1.7). */
  #tooNew(command: Command): Outcome | null {
    const version = this.clusterVersion(this.#revision)
    if (sinceClusterVersion(command) <= version) return null
    const detail = `${command.type} needs a newer clusterVersion than ${version}`
    return { ok: false, revision: this.#revision, code: 'conflict', detail }
  }

  #outcome(command: Command): Outcome {
    const refusal = this.#tooNew(command)
    if (refusal !== null) return refusal
    switch (command.type) {
      case 'config_put':
      case 'config_delete':
      case 'config_rollback':
      case 'config_schema_put':
      case 'config_schema_delete':
      case 'config_stage_put':
      case 'config_stage_delete':
      case 'config_stage_promote':
        return this.configs.decide(command)
      case 'instance_put':
      case 'instance_delete':
      case 'instance_patch':
      case 'instance_health':
      case 'override_put':
      case 'override_delete':
      case 'node_override_put':
      case 'node_override_delete':
      case 'service_put':
      case 'service_delete':
        return this.services.decide(command)
      case 'lease_grant':
        return this.#leaseGrant(command)
      case 'lease_revoke': {
        const lease = this.#lease(command.id)
        if (lease !== null && lease.ns === command.ns) this.#end(lease, 'instance.deregistered')
        this.locks.passOn()
        return this.#ok(false, null)
      }
      case 'lease_expire':
        return this.#expire(command.leases)
      case 'lease_remove':
        for (const lease of this.#held(command.leases)) {
          if (lease.lapsed) this.#end(lease, 'instance.expired')
        }
        return this.#ok(false, null)
      case 'lease_suspect':
        for (const { remainingMs, ...ref } of command.leases) {
          for (const lease of this.#held([ref])) {
            if (!lease.lapsed) this.#change('suspect', { ...lease, suspectMs: remainingMs })
          }
        }
        return this.#ok(false, null)
      case 'lease_clear':
        return this.#clear(command.leases)
      case 'cluster_version':
        if (command.version > this.clusterVersion(this.#revision)) {
          this.#version.set(this.#revision, command.version)
        }
        return this.#ok(false, null)
      case 'history_trim': // Nobody is told of it; what may be gone is judged where it is read.
      case 'state_check':
      case 'state_verdict':
        return this.#ok(false, null)
      case 'keyed':
        return this.#keys.decide(command, this.#now)
      case 'guarded':
        return this.configs.checked(
          command.schemas.map(({ key }) => key),
          () => guardedModel(command, this.#now),
        )
      case 'txn':
        return this.#attempt(() => txnModel(command, this.#now))
      case 'lock_acquire':
        return this.locks.acquire(command)
      case 'lock_cancel':
        return this.locks.cancel(command)
      case 'lock_release':
        return this.locks.release(command)
      case 'lock_value':
        return this.locks.setValue(command)
      case 'lock_grant':
        return this.locks.serve(command)
    }
  }

  /** What is so at the entry at work, for the commands that hold others. */
  get #now(): Now {
    return {
      revision: this.#revision,
      clusterMs: this.#clusterMs,
      config: (ns, key) => this.configs.last(ns, key),
      instance: (key) => this.services.last(key),
      lease: (id) => this.#lease(id),
      isHolder: (ns, name, token) => this.locks.isHolder({ ns, name }, token),
      schemaRevision: (ns, key) => this.configs.schemaRevision(ns, key),
      run: (command) => this.#outcome(command),
    }
  }

  /** Where it is refused nothing of it ever was. */
  #attempt(run: () => Outcome): Outcome {
    const takeBackConfigs = this.configs.mark()
    const takeBackLocks = this.locks.mark()
    const outcome = run()
    if (outcome.ok) return outcome
    const leases = this.#leases as Map<string, Versions<unknown>>
    for (const store of [leases, ...this.configs.stores, ...this.services.stores]) {
      for (const [id, things] of store) if (things.drop(this.#revision)) store.delete(id)
    }
    takeBackConfigs()
    this.topics.drop(this.#revision)
    takeBackLocks()
    this.#changes = []
    this.#touched = []
    this.#told = []
    return outcome
  }

  #ok(created: boolean, result: OutcomeResult | null): Outcome {
    return { ok: true, revision: this.#revision, created, result }
  }

  #tell(ns: string, topic: string, kind: keyof typeof EVENT_KINDS): void {
    const { length: n } = this.#told
    this.#told.push({ revision: this.#revision, n, ns, topic, kind: EVENT_KINDS[kind] })
  }

  #touch(ns: string, topic: string): void {
    const change = { ns, topic, revision: this.#revision }
    this.#touched.push(change)
    this.topics.touch(change)
  }

  #leaseGrant({ ns, id, ttlMs, owner }: CommandOf<'lease_grant'>): Outcome {
    if (this.#lease(id) !== null) {
      const detail = `there is a lease "${id}" already`
      return { ok: false, revision: this.#revision, code: 'conflict', detail }
    }
    const lease = this.#arm({ id, ns, ttlMs, removeAfterMs: 0, onLapse: 'remove', owner })
    this.#touch(ns, `leases/${id}`)
    return this.#ok(true, { type: 'lease', lease })
  }

  #arm(
    terms: Omit<LeaseRow, 'leaseRevision' | 'suspectMs' | 'lapsed'>,
    unclaimedMs?: number,
  ): LeaseRow {
    const lease = { ...terms, leaseRevision: this.#revision, suspectMs: null, lapsed: false }
    if (unclaimedMs === undefined) this.#change('armed', lease)
    else this.#became(lease, { type: 'granted', lease, unclaimedMs })
    return lease
  }

  #change(type: 'armed' | 'suspect' | 'cleared' | 'lapsed', lease: LeaseRow): void {
    this.#became(lease, { type, lease })
  }

  #became(lease: LeaseRow, change: LeaseChange): void {
    storeOf(this.#leases, lease.id).set(this.#revision, lease)
    this.#changes.push(change)
  }

  #lease(id: string): LeaseRow | null {
    return this.#leases.get(id)?.last ?? null
  }

  #held(refs: readonly LeaseRef[]): LeaseRow[] {
    return refs.flatMap(({ id, leaseRevision }) => {
      const lease = this.#lease(id)
      return lease?.leaseRevision === leaseRevision ? [lease] : []
    })
  }

  #expire(refs: readonly LeaseRef[]): Outcome {
    for (const lease of this.#held(refs)) {
      if (lease.lapsed) continue
      this.#expired.push(lease)
      if (lease.onLapse === 'remove') this.#end(lease, 'instance.expired')
      else {
        this.#change('lapsed', { ...lease, suspectMs: null, lapsed: true })
        this.services.setHealth(lease, { health: 'critical', healthReason: 'ttl' })
      }
    }
    this.locks.passOn()
    return this.#ok(false, null)
  }

  #clear(refs: readonly LeaseRef[]): Outcome {
    for (const lease of this.#held(refs)) {
      if (lease.suspectMs === null && !lease.lapsed) continue
      this.#change('cleared', { ...lease, suspectMs: null, lapsed: false })
      if (lease.lapsed) this.services.setHealth(lease, { health: 'passing', healthReason: null })
    }
    return this.#ok(false, null)
  }

  /** A lease goes with everything that hangs on it. */
  #end(lease: LeaseRow, why: 'instance.expired' | 'instance.deregistered'): void {
    if (this.locks.leaseEnds(lease.id, why === 'instance.expired' ? 'expired' : 'released')) return
    this.configs.leaseEnds(lease.id)
    const key = instanceOfLease(lease.id)
    if (key === null) this.#touch(lease.ns, `leases/${lease.id}`)
    else this.services.ended(key, why)
    this.#dropped(lease.id)
  }

  #dropped(id: string): void {
    storeOf(this.#leases, id).set(this.#revision, null)
    this.#changes.push({ type: 'gone', id })
  }
}
