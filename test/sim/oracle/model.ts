/**
 * The state machine once more, from the contract rather than from the code: maps, every revision
 * kept. Reads are judged by it (RELIABILITY §3.1), and in seeds with SQLite every outcome of the
 * production state machine is compared with its own.
 */
import type {
  Command,
  CommandOf,
  ConfigMeta,
  ConfigSchemaRow,
  Expect,
  InstanceKey,
  InstanceRow,
  InstanceSpec,
  KeyRules,
  LeaseChange,
  LeaseRef,
  LeaseRow,
  LockKey,
  Outcome,
  OutcomeResult,
  OverrideRow,
  OverrideSpec,
  ServiceRow,
  TopicChange,
} from '../../../src/state/mod.ts'
import {
  EVENT_KINDS,
  instanceLease,
  instanceOfLease,
  sinceClusterVersion,
} from '../../../src/state/mod.ts'
import type { ModelEvent } from './feed.ts'
import { unexpected } from './expect.ts'
import { mergePatch } from './merge.ts'
import { LockModel } from './model-locks.ts'
import { Stages, type StageHost } from './stages.ts'
import { Topics } from './topics.ts'
import { Versions } from './versions.ts'
import { guardedModel, KeyModel, txnModel, type Now } from './wrapped.ts'
import { Written } from './written.ts'

export interface ModelConfig {
  readonly meta: ConfigMeta
  readonly value: Uint8Array
}

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

const idOf = (key: InstanceKey): string => `${key.ns}/${key.service}/${key.id}`

function storeOf<T>(map: Map<string, Versions<T>>, id: string): Versions<T> {
  let versions = map.get(id)
  if (versions === undefined) map.set(id, (versions = new Versions()))
  return versions
}

/** In the order of names. */
function byName<T>(map: ReadonlyMap<string, Versions<T>>): Versions<T>[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, versions]) => versions)
}

export class Model {
  readonly #configs = new Map<string, Versions<ModelConfig>>()
  /** The version a key had last, also while it is deleted. */
  readonly #configVersions = new Map<string, number>()
  readonly #instances = new Map<string, Versions<InstanceRow>>()
  readonly #leases = new Map<string, Versions<LeaseRow>>()
  readonly #services = new Map<string, Versions<ServiceRow>>()
  readonly #overrides = new Map<string, Versions<OverrideRow>>()
  readonly #nodeOverrides = new Map<string, Versions<OverrideRow>>()
  readonly #schemas = new Map<string, Versions<ConfigSchemaRow>>()
  readonly stages = new Stages()
  readonly topics = new Topics()
  /** Every version of every key, for ever. */
  readonly written = new Written()
  readonly locks: LockModel
  readonly #version = new Versions<number>()
  readonly #keys: KeyModel
  /** Keys whose values the guard around the command at work names. */
  #checked: readonly string[] = []
  #revision = 0
  #wallMs = 0
  #clusterMs = 0
  #changes: LeaseChange[] = []
  #touched: TopicChange[] = []
  #told: ModelEvent[] = []
  #expired: LeaseRow[] = []

  constructor(rules: KeyRules) {
    this.#keys = new KeyModel(rules)
    this.locks = new LockModel({
      now: () => ({ revision: this.#revision, wallMs: this.#wallMs }),
      lease: (id) => this.#lease(id),
      arm: (ns, id, ttlMs, unclaimedMs) => {
        const terms = { id, ns, ttlMs, removeAfterMs: 0, onLapse: 'remove', owner: null } as const
        this.#arm(terms, unclaimedMs)
      },
      drop: (id) => this.#dropped(id),
      touch: (ns, topic) => this.#touch(ns, topic),
      tell: (ns, topic, kind) => this.#tell(ns, topic, kind),
    })
  }

  clusterVersion(revision: number): number {
    return this.#version.at(revision) ?? 1
  }

  config(ns: string, key: string, revision: number): ModelConfig | null {
    return this.#configs.get(`${ns}/${key}`)?.at(revision) ?? null
  }

  configSchema(ns: string, prefix: string, revision: number): ConfigSchemaRow | null {
    return this.#schemas.get(`${ns}/${prefix}`)?.at(revision) ?? null
  }

  /** Whether the key was ever written. */
  hasConfig(key: string): boolean {
    return this.#configs.has(`default/${key}`)
  }

  instance(key: InstanceKey, revision: number): InstanceRow | null {
    return this.#instances.get(idOf(key))?.at(revision) ?? null
  }

  instances(ns: string, service: string, revision: number): InstanceRow[] {
    const rows: InstanceRow[] = []
    for (const [id, versions] of [...this.#instances].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const row = id.startsWith(`${ns}/${service}/`) ? versions.at(revision) : null
      if (row !== null) rows.push(row)
    }
    return rows
  }

  service(ns: string, service: string, revision: number): ServiceRow | null {
    return this.#services.get(`${ns}/${service}`)?.at(revision) ?? null
  }

  override(key: InstanceKey, revision: number): OverrideRow | null {
    return this.#overrides.get(idOf(key))?.at(revision) ?? null
  }

  nodeOverride(ns: string, node: string, revision: number): OverrideRow | null {
    return this.#nodeOverrides.get(`${ns}/${node}`)?.at(revision) ?? null
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
    const outcome = this.#tooNew(command) ?? this.#outcome(command)
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
    const version = this.clusterVersion(this.#revision)
    if (sinceClusterVersion(command) > version) {
      const detail = `${command.type} needs a newer clusterVersion than ${version}`
      return { ok: false, revision: this.#revision, code: 'conflict', detail }
    }
    switch (command.type) {
      case 'config_put':
        return this.#configPut(command)
      case 'config_delete':
        return this.#configDelete(command)
      case 'config_stage_put':
        return this.stages.put(command, this.#stageHost)
      case 'config_stage_delete':
        return this.stages.abort(command, this.#stageHost)
      case 'config_stage_promote':
        return this.stages.promote(command, this.#stageHost)
      case 'instance_put':
        return this.#instancePut(command)
      case 'instance_delete':
        return this.#instanceDelete(command)
      case 'instance_patch':
        return this.#instancePatch(command)
      case 'instance_health':
        return this.#instanceHealth(command)
      case 'override_put':
        return this.#overridePut(command)
      case 'override_delete':
        return this.#overrideDelete(command)
      case 'node_override_put':
      case 'node_override_delete':
        return this.#nodeOverride(command)
      case 'service_put':
      case 'service_delete':
        return this.#service(command)
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
      case 'config_rollback':
        return this.#configRollback(command)
      case 'config_schema_put':
      case 'config_schema_delete':
        return this.#configSchema(command)
      case 'history_trim': // Nobody is told of it; what may be gone is judged where it is read.
      case 'state_check':
      case 'state_verdict':
        return this.#ok(false, null)
      case 'keyed':
        return this.#keys.decide(command, this.#now)
      case 'guarded':
        return this.#guarded(command)
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
      config: (ns, key) => this.#configs.get(`${ns}/${key}`)?.last ?? null,
      instance: (key) => this.#instances.get(idOf(key))?.last ?? null,
      lease: (id) => this.#lease(id),
      isHolder: (ns, name, token) => this.locks.isHolder({ ns, name }, token),
      schemaRevision: (ns, key) => this.#schemaRevision(ns, key),
      run: (command) => this.#outcome(command),
    }
  }

  /** Where it is refused nothing of it ever was. */
  #attempt(run: () => Outcome): Outcome {
    const versions = new Map(this.#configVersions)
    const takeBackLocks = this.locks.mark()
    const outcome = run()
    if (outcome.ok) return outcome
    for (const store of this.#stores) {
      for (const [id, things] of store) if (things.drop(this.#revision)) store.delete(id)
    }
    this.#configVersions.clear()
    for (const [key, version] of versions) this.#configVersions.set(key, version)
    this.topics.drop(this.#revision)
    takeBackLocks()
    this.written.drop(this.#revision)
    this.#changes = []
    this.#touched = []
    this.#told = []
    return outcome
  }

  get #stores(): readonly Map<string, Versions<unknown>>[] {
    return [
      this.#configs,
      this.#instances,
      this.#leases,
      this.#services,
      this.#overrides,
      this.#nodeOverrides,
      this.#schemas,
    ] as Map<string, Versions<unknown>>[]
  }

  #ok(created: boolean, result: OutcomeResult | null): Outcome {
    return { ok: true, revision: this.#revision, created, result }
  }

  #unexpected(expect: Expect | null, current: number | null): Outcome | null {
    return unexpected(expect, current, this.#revision)
  }

  /** Of those on the prefixes that the key begins with, the newest. */
  #schemaRevision(ns: string, key: string): number | null {
    let newest: number | null = null
    for (const { last } of this.#schemas.values()) {
      if (last?.ns !== ns || !key.startsWith(last.prefix)) continue
      newest = Math.max(newest ?? 0, last.revision)
    }
    return newest
  }

  #guarded(command: CommandOf<'guarded'>): Outcome {
    this.#checked = command.schemas.map(({ key }) => key)
    const outcome = guardedModel(command, this.#now)
    this.#checked = []
    return outcome
  }

  /** A value that was not checked may only be written where no schema governs. */
  #unchecked(ns: string, key: string): Outcome | null {
    if (this.#checked.includes(key) || this.#schemaRevision(ns, key) === null) return null
    const detail = `the schema of "${key}" changed while the value was on its way; nothing was applied`
    return { ok: false, revision: this.#revision, code: 'schema_changed', detail }
  }

  #configPut(put: CommandOf<'config_put'>): Outcome {
    const versions = storeOf(this.#configs, `${put.ns}/${put.key}`)
    const old = versions.last
    const refusal = this.#unexpected(put.expect, old?.meta.version ?? null)
    if (refusal !== null) return refusal
    if (put.lease !== null) {
      const lease = this.#lease(put.lease)
      if (lease === null || lease.ns !== put.ns || lease.lapsed) {
        const detail = `there is no lease "${put.lease}"`
        return { ok: false, revision: this.#revision, code: 'not_found', detail }
      }
    }
    const unchecked = this.#unchecked(put.ns, put.key)
    if (unchecked !== null) return unchecked
    const version = (this.#configVersions.get(`${put.ns}/${put.key}`) ?? 0) + 1
    this.#configVersions.set(`${put.ns}/${put.key}`, version)
    const meta: ConfigMeta = {
      ns: put.ns,
      key: put.key,
      contentType: put.contentType,
      version,
      size: put.value.length,
      lease: put.lease,
      updatedBy: put.by,
      revision: this.#revision,
      createdRevision: old?.meta.createdRevision ?? this.#revision,
      createdAtMs: old?.meta.createdAtMs ?? this.#wallMs,
      updatedAtMs: this.#wallMs,
    }
    versions.set(this.#revision, { meta, value: put.value })
    this.written.add(meta, { value: put.value, comment: put.comment })
    this.#touch(put.ns, `config/${put.key}`)
    this.#tell(put.ns, `config/${put.key}`, 'config.put')
    return this.#ok(old === null, { type: 'config', config: meta })
  }

  /** A new version of the old bytes; what is kept is the state machine's business (`trim`). */
  #configRollback(command: CommandOf<'config_rollback'>): Outcome {
    const { ns, key, to, comment, by } = command
    const refusal = this.#unexpected(
      command.expect,
      this.#configs.get(`${ns}/${key}`)?.last?.meta.version ?? null,
    )
    if (refusal !== null) return refusal
    const newest = this.#configVersions.get(`${ns}/${key}`) ?? 0
    const old = this.written.find(ns, key, to)
    if (old === null) {
      const detail =
        newest === 0
          ? `there never was a config key "${key}"`
          : `there is no version ${to} of "${key}": the newest is ${newest}`
      return { ok: false, revision: this.#revision, code: 'not_found', detail }
    }
    const { contentType, value } = old
    const put = { ns, key, contentType, value, comment, by, lease: null, expect: null }
    return this.#configPut({ type: 'config_put', ...put })
  }

  #configSchema(
    command: CommandOf<'config_schema_put'> | CommandOf<'config_schema_delete'>,
  ): Outcome {
    const { ns, prefix } = command
    const versions = storeOf(this.#schemas, `${ns}/${prefix}`)
    const old = versions.last
    const refusal = this.#unexpected(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const isPut = command.type === 'config_schema_put'
    if (!isPut && old === null) return this.#ok(false, null)
    this.#touch(ns, 'config-schemas')
    if (!isPut) {
      versions.set(this.#revision, null)
      return this.#ok(false, null)
    }
    const { schema, by: updatedBy } = command
    const row: ConfigSchemaRow = {
      ns,
      prefix,
      size: schema.length,
      updatedBy,
      revision: this.#revision,
      createdRevision: old?.createdRevision ?? this.#revision,
      createdAtMs: old?.createdAtMs ?? this.#wallMs,
      updatedAtMs: this.#wallMs,
      schema,
    }
    versions.set(this.#revision, row)
    const { schema: _, ...meta } = row
    return this.#ok(old === null, { type: 'config_schema', schema: meta })
  }

  get #stamp(): { readonly revision: number; readonly atMs: number } {
    return { revision: this.#revision, atMs: this.#wallMs }
  }

  #configDelete(command: CommandOf<'config_delete'>): Outcome {
    const versions = storeOf(this.#configs, `${command.ns}/${command.key}`)
    const refusal = this.#unexpected(command.expect, versions.last?.meta.version ?? null)
    if (refusal !== null) return refusal
    if (versions.last !== null) {
      this.written.deleted(versions.last.meta, { by: command.by, ...this.#stamp })
      versions.set(this.#revision, null)
      this.#touch(command.ns, `config/${command.key}`)
      this.#tell(command.ns, `config/${command.key}`, 'config.deleted')
    }
    return this.#ok(false, null)
  }

  get #stageHost(): StageHost {
    return {
      revision: this.#revision,
      wallMs: this.#wallMs,
      versionOf: (id) => this.#configs.get(id)?.last?.meta.version ?? 0,
      put: (command) => this.#configPut(command),
      changed: (ns, topic) => {
        this.#touch(ns, topic)
        this.#tell(ns, topic, 'config.staged')
      },
    }
  }

  #instancePut(put: CommandOf<'instance_put'>): Outcome {
    const versions = storeOf(this.#instances, idOf(put.key))
    const old = versions.last
    const refusal = this.#unexpected(put.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    this.#armInstance(put.key, put.spec)
    const row: InstanceRow = {
      ...put.key,
      spec: put.spec,
      health: 'passing',
      healthReason: null,
      lease: instanceLease(put.key),
      ...this.#overridesOf(put.key, put.spec.node),
      revision: this.#revision,
      createdRevision: old?.createdRevision ?? this.#revision,
      createdAtMs: old?.createdAtMs ?? this.#wallMs,
      updatedAtMs: this.#wallMs,
    }
    this.#setInstance(put.key, row)
    return this.#ok(old === null, { type: 'instance', instance: row })
  }

  #armInstance(key: InstanceKey, { ttlMs, removeAfterMs }: InstanceSpec): void {
    if (ttlMs === null) throw new Error('the workload registers with a TTL')
    const onLapse = removeAfterMs === 0 ? 'remove' : 'lapse'
    const { ns } = key
    this.#arm({ id: instanceLease(key), ns, ttlMs, removeAfterMs, onLapse, owner: null })
  }

  #overridesOf(
    key: InstanceKey,
    node: string | null,
  ): Pick<InstanceRow, 'override' | 'nodeOverride'> {
    const onNode = node === null ? null : this.#nodeOverrides.get(`${key.ns}/${node}`)
    return {
      override: this.#overrides.get(idOf(key))?.last ?? null,
      nodeOverride: onNode?.last ?? null,
    }
  }

  /** Every change of an instance is one of its service, and of its namespace's services. */
  #setInstance(
    key: InstanceKey,
    row: InstanceRow | null,
    why: 'instance.expired' | 'instance.deregistered' = 'instance.expired',
  ): void {
    const versions = storeOf(this.#instances, idOf(key))
    const written = versions.last === null ? 'instance.registered' : 'instance.updated'
    versions.set(this.#revision, row)
    this.#tell(key.ns, `services/${key.service}/${key.id}`, row === null ? why : written)
    this.#touch(key.ns, `services/${key.service}/${key.id}`)
    this.#touch(key.ns, `services/${key.service}`)
    this.#touch(key.ns, 'services')
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

  #changeInstance(row: InstanceRow, change: Partial<InstanceRow>): InstanceRow {
    const { ns, service, id, spec } = { ...row, ...change }
    const key = { ns, service, id }
    const changed = {
      ...row,
      ...change,
      ...this.#overridesOf(key, spec.node),
      revision: this.#revision,
      updatedAtMs: this.#wallMs,
    }
    this.#setInstance(key, changed)
    return changed
  }

  #instancePatch({ key, patch, expect }: CommandOf<'instance_patch'>): Outcome {
    const old = this.#instances.get(idOf(key))?.last ?? null
    const refusal = this.#unexpected(expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    if (old === null) return this.#missing(key)
    const spec = mergePatch(old.spec, patch)
    if (Bun.deepEquals(spec, old.spec)) {
      return this.#ok(false, { type: 'instance', instance: old })
    }
    const sameTerms = spec.ttlMs === old.spec.ttlMs && spec.removeAfterMs === old.spec.removeAfterMs
    const lapsed = this.#lease(instanceLease(key))?.lapsed === true
    if (!sameTerms) this.#armInstance(key, spec)
    const health = { health: 'passing', healthReason: null } as const
    const instance = this.#changeInstance(old, { spec, ...(lapsed && !sameTerms ? health : {}) })
    return this.#ok(false, { type: 'instance', instance })
  }

  #missing({ id, service }: InstanceKey): Outcome {
    const detail = `there is no instance "${id}" of service "${service}"`
    return { ok: false, revision: this.#revision, code: 'not_found', detail }
  }

  /** A report comes with a beat, so it also revives. */
  #instanceHealth({ key, health: said, note }: CommandOf<'instance_health'>): Outcome {
    const old = this.#instances.get(idOf(key))?.last ?? null
    if (old === null) return this.#missing(key)
    const health = said ?? old.health
    const lease = this.#lease(instanceLease(key))
    if (lease?.lapsed === true)
      this.#change('cleared', { ...lease, suspectMs: null, lapsed: false })
    const same = old.health === health && old.healthReason === note
    const instance = same ? old : this.#changeInstance(old, { health, healthReason: note })
    return this.#ok(false, { type: 'instance', instance })
  }

  #overrideRow(
    old: OverrideRow | null,
    { override, by }: { readonly override: OverrideSpec; readonly by: string },
  ): OverrideRow {
    return {
      ...override,
      by,
      revision: this.#revision,
      createdRevision: old?.createdRevision ?? this.#revision,
      createdAtMs: old?.createdAtMs ?? this.#wallMs,
      updatedAtMs: this.#wallMs,
    }
  }

  /** Also for an instance that is away, never for one that never was. */
  #overridePut(put: CommandOf<'override_put'>): Outcome {
    const { key } = put
    const versions = storeOf(this.#overrides, idOf(key))
    const old = versions.last
    const refusal = this.#unexpected(put.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const instances = this.#instances.get(idOf(key))
    if (old === null && instances === undefined) {
      const detail = `there never was an instance "${key.id}" of service "${key.service}"`
      return { ok: false, revision: this.#revision, code: 'not_found', detail }
    }
    const row = this.#overrideRow(old, put)
    versions.set(this.#revision, row)
    if (instances?.last != null) this.#changeInstance(instances.last, {})
    return this.#ok(old === null, { type: 'override', override: row })
  }

  #overrideDelete({ key, expect }: CommandOf<'override_delete'>): Outcome {
    const versions = storeOf(this.#overrides, idOf(key))
    const refusal = this.#unexpected(expect, versions.last?.revision ?? null)
    if (refusal !== null) return refusal
    if (versions.last === null) return this.#ok(false, null)
    versions.set(this.#revision, null)
    const row = this.#instances.get(idOf(key))?.last ?? null
    if (row !== null) this.#changeInstance(row, {})
    return this.#ok(false, null)
  }

  /** About a host: all instances on it change. */
  #nodeOverride(
    command: CommandOf<'node_override_put'> | CommandOf<'node_override_delete'>,
  ): Outcome {
    const { ns, node } = command
    const versions = storeOf(this.#nodeOverrides, `${ns}/${node}`)
    const old = versions.last
    const refusal = this.#unexpected(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const row = command.type === 'node_override_put' ? this.#overrideRow(old, command) : null
    if (row === null && old === null) return this.#ok(false, null)
    versions.set(this.#revision, row)
    for (const { last } of byName(this.#instances)) {
      if (last?.ns === ns && last.spec.node === node) this.#changeInstance(last, {})
    }
    return row === null
      ? this.#ok(false, null)
      : this.#ok(old === null, { type: 'override', override: row })
  }

  #service(command: CommandOf<'service_put'> | CommandOf<'service_delete'>): Outcome {
    const { ns, service } = command
    const versions = storeOf(this.#services, `${ns}/${service}`)
    const old = versions.last
    const refusal = this.#unexpected(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const isPut = command.type === 'service_put'
    if (!isPut && old === null) return this.#ok(false, null)
    const row = isPut
      ? {
          ns,
          service,
          settings: command.settings,
          revision: this.#revision,
          createdRevision: old?.createdRevision ?? this.#revision,
          createdAtMs: old?.createdAtMs ?? this.#wallMs,
          updatedAtMs: this.#wallMs,
        }
      : null
    versions.set(this.#revision, row)
    this.#touch(ns, `services/${service}`)
    this.#touch(ns, 'services')
    this.#tell(ns, `services/${service}`, isPut ? 'service.updated' : 'service.deleted')
    if (row === null) return this.#ok(false, null)
    return this.#ok(old === null, { type: 'service', service: row })
  }

  #instanceDelete(command: CommandOf<'instance_delete'>): Outcome {
    const old = storeOf(this.#instances, idOf(command.key)).last
    const refusal = this.#unexpected(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const lease = old?.lease == null ? null : this.#lease(old.lease)
    if (lease !== null) this.#end(lease, 'instance.deregistered')
    return this.#ok(false, null)
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
        this.#setHealth(lease, { health: 'critical', healthReason: 'ttl' })
      }
    }
    this.locks.passOn()
    return this.#ok(false, null)
  }

  #clear(refs: readonly LeaseRef[]): Outcome {
    for (const lease of this.#held(refs)) {
      if (lease.suspectMs === null && !lease.lapsed) continue
      this.#change('cleared', { ...lease, suspectMs: null, lapsed: false })
      if (lease.lapsed) this.#setHealth(lease, { health: 'passing', healthReason: null })
    }
    return this.#ok(false, null)
  }

  #setHealth(lease: LeaseRow, health: Pick<InstanceRow, 'health' | 'healthReason'>): void {
    const key = instanceOfLease(lease.id)
    const row = key === null ? null : (this.#instances.get(idOf(key))?.last ?? null)
    if (row !== null) this.#changeInstance(row, health)
  }

  /** A lease goes with everything that hangs on it. */
  #end(lease: LeaseRow, why: 'instance.expired' | 'instance.deregistered'): void {
    if (this.locks.leaseEnds(lease.id, why === 'instance.expired' ? 'expired' : 'released')) return
    for (const versions of byName(this.#configs)) {
      if (versions.last?.meta.lease !== lease.id) continue
      const { ns, key: name } = versions.last.meta
      this.written.deleted(versions.last.meta, { by: null, ...this.#stamp })
      versions.set(this.#revision, null)
      this.#touch(ns, `config/${name}`)
      this.#tell(ns, `config/${name}`, 'config.deleted')
    }
    const key = instanceOfLease(lease.id)
    if (key === null) this.#touch(lease.ns, `leases/${lease.id}`)
    else this.#setInstance(key, null, why)
    this.#dropped(lease.id)
  }

  #dropped(id: string): void {
    storeOf(this.#leases, id).set(this.#revision, null)
    this.#changes.push({ type: 'gone', id })
  }
}
