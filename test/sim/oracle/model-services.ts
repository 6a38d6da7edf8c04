/**
 * Services once more, from the contract: instances, the word of operators on them and on their
 * hosts, and settings. Leases are the business of `model.ts`.
 */
import type {
  Command,
  CommandOf,
  Expect,
  InstanceKey,
  InstanceRow,
  InstanceSpec,
  LeaseRow,
  Outcome,
  OutcomeResult,
  OverrideRow,
  OverrideSpec,
  ServiceRow,
} from '../../../src/state/mod.ts'
import { EVENT_KINDS, instanceLease, instanceOfLease } from '../../../src/state/mod.ts'
import { unexpected } from './expect.ts'
import { mergePatch } from './merge.ts'
import { byName, storeOf, type Versions } from './versions.ts'

/** The entry at work. */
export interface Moment {
  readonly revision: number
  readonly wallMs: number
}

/** What the model of the rest does for this one. */
export interface ServiceHost {
  now(): Moment
  lease(id: string): LeaseRow | null
  arm(terms: Omit<LeaseRow, 'leaseRevision' | 'suspectMs' | 'lapsed'>): LeaseRow
  change(type: 'cleared', lease: LeaseRow): void
  end(lease: LeaseRow, why: 'instance.deregistered'): void
  touch(ns: string, topic: string): void
  tell(ns: string, topic: string, kind: keyof typeof EVENT_KINDS): void
}

export type ServiceCommand = Extract<
  Command,
  {
    readonly type:
      `instance_${string}` | `override_${string}` | `node_override_${string}` | `service_${string}`
  }
>

const idOf = (key: InstanceKey): string => `${key.ns}/${key.service}/${key.id}`

export class ServiceModel {
  readonly #host: ServiceHost
  readonly #instances = new Map<string, Versions<InstanceRow>>()
  readonly #services = new Map<string, Versions<ServiceRow>>()
  readonly #overrides = new Map<string, Versions<OverrideRow>>()
  readonly #nodeOverrides = new Map<string, Versions<OverrideRow>>()

  constructor(host: ServiceHost) {
    this.#host = host
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

  /** As the entry at work has it. */
  last(key: InstanceKey): InstanceRow | null {
    return this.#instances.get(idOf(key))?.last ?? null
  }

  /** All that is kept, by what it is of. */
  get stores(): readonly Map<string, Versions<unknown>>[] {
    return [this.#instances, this.#services, this.#overrides, this.#nodeOverrides] as Map<
      string,
      Versions<unknown>
    >[]
  }

  decide(command: ServiceCommand): Outcome {
    switch (command.type) {
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
    }
  }

  /** What its lease says of an instance. */
  setHealth(lease: LeaseRow, health: Pick<InstanceRow, 'health' | 'healthReason'>): void {
    const key = instanceOfLease(lease.id)
    const row = key === null ? null : (this.#instances.get(idOf(key))?.last ?? null)
    if (row !== null) this.#changeInstance(row, health)
  }

  /** Its lease is gone, and it with it. */
  ended(key: InstanceKey, why: 'instance.expired' | 'instance.deregistered'): void {
    this.#setInstance(key, null, why)
  }

  #ok(created: boolean, result: OutcomeResult | null): Outcome {
    return { ok: true, revision: this.#now.revision, created, result }
  }

  #refusal(expect: Expect | null, current: number | null): Outcome | null {
    return unexpected(expect, current, this.#now.revision)
  }

  get #now(): Moment {
    return this.#host.now()
  }

  #instancePut(put: CommandOf<'instance_put'>): Outcome {
    const versions = storeOf(this.#instances, idOf(put.key))
    const old = versions.last
    const refusal = this.#refusal(put.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    this.#armInstance(put.key, put.spec)
    const row: InstanceRow = {
      ...put.key,
      spec: put.spec,
      health: 'passing',
      healthReason: null,
      lease: instanceLease(put.key),
      ...this.#overridesOf(put.key, put.spec.node),
      revision: this.#now.revision,
      createdRevision: old?.createdRevision ?? this.#now.revision,
      createdAtMs: old?.createdAtMs ?? this.#now.wallMs,
      updatedAtMs: this.#now.wallMs,
    }
    this.#setInstance(put.key, row)
    return this.#ok(old === null, { type: 'instance', instance: row })
  }

  #armInstance(key: InstanceKey, { ttlMs, removeAfterMs }: InstanceSpec): void {
    if (ttlMs === null) throw new Error('the workload registers with a TTL')
    const onLapse = removeAfterMs === 0 ? 'remove' : 'lapse'
    const { ns } = key
    this.#host.arm({ id: instanceLease(key), ns, ttlMs, removeAfterMs, onLapse, owner: null })
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
    versions.set(this.#now.revision, row)
    this.#host.tell(key.ns, `services/${key.service}/${key.id}`, row === null ? why : written)
    this.#host.touch(key.ns, `services/${key.service}/${key.id}`)
    this.#host.touch(key.ns, `services/${key.service}`)
    this.#host.touch(key.ns, 'services')
  }

  #changeInstance(row: InstanceRow, change: Partial<InstanceRow>): InstanceRow {
    const { ns, service, id, spec } = { ...row, ...change }
    const key = { ns, service, id }
    const changed = {
      ...row,
      ...change,
      ...this.#overridesOf(key, spec.node),
      revision: this.#now.revision,
      updatedAtMs: this.#now.wallMs,
    }
    this.#setInstance(key, changed)
    return changed
  }

  #instancePatch({ key, patch, expect }: CommandOf<'instance_patch'>): Outcome {
    const old = this.#instances.get(idOf(key))?.last ?? null
    const refusal = this.#refusal(expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    if (old === null) return this.#missing(key)
    const spec = mergePatch(old.spec, patch)
    if (Bun.deepEquals(spec, old.spec)) {
      return this.#ok(false, { type: 'instance', instance: old })
    }
    const sameTerms = spec.ttlMs === old.spec.ttlMs && spec.removeAfterMs === old.spec.removeAfterMs
    const lapsed = this.#host.lease(instanceLease(key))?.lapsed === true
    if (!sameTerms) this.#armInstance(key, spec)
    const health = { health: 'passing', healthReason: null } as const
    const instance = this.#changeInstance(old, { spec, ...(lapsed && !sameTerms ? health : {}) })
    return this.#ok(false, { type: 'instance', instance })
  }

  #missing({ id, service }: InstanceKey): Outcome {
    const detail = `there is no instance "${id}" of service "${service}"`
    return { ok: false, revision: this.#now.revision, code: 'not_found', detail }
  }

  /** A report comes with a beat, so it also revives. */
  #instanceHealth({ key, health: said, note }: CommandOf<'instance_health'>): Outcome {
    const old = this.#instances.get(idOf(key))?.last ?? null
    if (old === null) return this.#missing(key)
    const health = said ?? old.health
    const lease = this.#host.lease(instanceLease(key))
    if (lease?.lapsed === true)
      this.#host.change('cleared', { ...lease, suspectMs: null, lapsed: false })
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
      revision: this.#now.revision,
      createdRevision: old?.createdRevision ?? this.#now.revision,
      createdAtMs: old?.createdAtMs ?? this.#now.wallMs,
      updatedAtMs: this.#now.wallMs,
    }
  }

  /** Also for an instance that is away, never for one that never was. */
  #overridePut(put: CommandOf<'override_put'>): Outcome {
    const { key } = put
    const versions = storeOf(this.#overrides, idOf(key))
    const old = versions.last
    const refusal = this.#refusal(put.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const instances = this.#instances.get(idOf(key))
    if (old === null && instances === undefined) {
      const detail = `there never was an instance "${key.id}" of service "${key.service}"`
      return { ok: false, revision: this.#now.revision, code: 'not_found', detail }
    }
    const row = this.#overrideRow(old, put)
    versions.set(this.#now.revision, row)
    if (instances?.last != null) this.#changeInstance(instances.last, {})
    return this.#ok(old === null, { type: 'override', override: row })
  }

  #overrideDelete({ key, expect }: CommandOf<'override_delete'>): Outcome {
    const versions = storeOf(this.#overrides, idOf(key))
    const refusal = this.#refusal(expect, versions.last?.revision ?? null)
    if (refusal !== null) return refusal
    if (versions.last === null) return this.#ok(false, null)
    versions.set(this.#now.revision, null)
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
    const refusal = this.#refusal(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const row = command.type === 'node_override_put' ? this.#overrideRow(old, command) : null
    if (row === null && old === null) return this.#ok(false, null)
    versions.set(this.#now.revision, row)
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
    const refusal = this.#refusal(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const isPut = command.type === 'service_put'
    if (!isPut && old === null) return this.#ok(false, null)
    const row = isPut
      ? {
          ns,
          service,
          settings: command.settings,
          revision: this.#now.revision,
          createdRevision: old?.createdRevision ?? this.#now.revision,
          createdAtMs: old?.createdAtMs ?? this.#now.wallMs,
          updatedAtMs: this.#now.wallMs,
        }
      : null
    versions.set(this.#now.revision, row)
    this.#host.touch(ns, `services/${service}`)
    this.#host.touch(ns, 'services')
    this.#host.tell(ns, `services/${service}`, isPut ? 'service.updated' : 'service.deleted')
    if (row === null) return this.#ok(false, null)
    return this.#ok(old === null, { type: 'service', service: row })
  }

  #instanceDelete(command: CommandOf<'instance_delete'>): Outcome {
    const old = storeOf(this.#instances, idOf(command.key)).last
    const refusal = this.#refusal(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const lease = old?.lease == null ? null : this.#host.lease(old.lease)
    if (lease !== null) this.#host.end(lease, 'instance.deregistered')
    return this.#ok(false, null)
  }
}
