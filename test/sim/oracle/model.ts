/**
 * The state machine once more, from the contract rather than from the code: maps, every revision
 * kept. Reads are judged by it (RELIABILITY §3.1), and in seeds with SQLite every outcome of the
 * production state machine is compared with its own.
 */
import type {
  Command,
  CommandOf,
  ConfigMeta,
  Expect,
  InstanceKey,
  InstanceRow,
  LeaseChange,
  LeaseRef,
  LeaseRow,
  Outcome,
  OutcomeResult,
} from '../../../src/state/mod.ts'
import { instanceLease, instanceOfLease } from '../../../src/state/mod.ts'
import { Versions } from './versions.ts'

export interface ModelConfig {
  readonly meta: ConfigMeta
  readonly value: Uint8Array
}

export interface Effect {
  readonly outcome: Outcome
  readonly leases: readonly LeaseChange[]
  /** Leases whose TTL ran out by this entry. */
  readonly expired: readonly LeaseRow[]
}

const idOf = (key: InstanceKey): string => `${key.ns}/${key.service}/${key.id}`

function storeOf<T>(map: Map<string, Versions<T>>, id: string): Versions<T> {
  let versions = map.get(id)
  if (versions === undefined) map.set(id, (versions = new Versions()))
  return versions
}

export class Model {
  readonly #configs = new Map<string, Versions<ModelConfig>>()
  /** The version a key had last, also while it is deleted. */
  readonly #configVersions = new Map<string, number>()
  readonly #instances = new Map<string, Versions<InstanceRow>>()
  readonly #leases = new Map<string, Versions<LeaseRow>>()
  #revision = 0
  #wallMs = 0
  #changes: LeaseChange[] = []
  #expired: LeaseRow[] = []

  config(ns: string, key: string, revision: number): ModelConfig | null {
    return this.#configs.get(`${ns}/${key}`)?.at(revision) ?? null
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

  lease(id: string, revision: number): LeaseRow | null {
    return this.#leases.get(id)?.at(revision) ?? null
  }

  leases(revision: number): LeaseRow[] {
    return [...this.#leases.keys()].sort().flatMap((id) => this.lease(id, revision) ?? [])
  }

  apply(command: Command, revision: number, wallMs: number): Effect {
    this.#revision = revision
    this.#wallMs = wallMs
    this.#changes = []
    this.#expired = []
    const outcome = this.#outcome(command)
    return { outcome, leases: this.#changes, expired: this.#expired }
  }

  #outcome(command: Command): Outcome {
    switch (command.type) {
      case 'config_put':
        return this.#configPut(command)
      case 'config_delete':
        return this.#configDelete(command)
      case 'instance_put':
        return this.#instancePut(command)
      case 'instance_delete':
        return this.#instanceDelete(command)
      case 'lease_grant':
        return this.#leaseGrant(command)
      case 'lease_revoke': {
        const lease = this.#lease(command.id)
        if (lease !== null && lease.ns === command.ns) this.#end(lease)
        return this.#ok(false, null)
      }
      case 'lease_expire':
        return this.#expire(command.leases)
      case 'lease_remove':
        for (const lease of this.#held(command.leases)) if (lease.lapsed) this.#end(lease)
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
      default:
        throw new Error(`the workload has no ${command.type}`)
    }
  }

  #ok(created: boolean, result: OutcomeResult | null): Outcome {
    return { ok: true, revision: this.#revision, created, result }
  }

  #unexpected(expect: Expect | null, current: number | null): Outcome | null {
    if (expect === null) return null
    const { match, absent } = expect
    const fits = match === null || (match === '*' ? current !== null : match.includes(current ?? 0))
    if (fits && !(absent && current !== null)) return null
    const detail =
      current === null ? 'it does not exist' : `it exists, its current ETag is "${current}"`
    return { ok: false, revision: this.#revision, code: 'version_mismatch', detail, current }
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
    return this.#ok(old === null, { type: 'config', config: meta })
  }

  #configDelete(command: CommandOf<'config_delete'>): Outcome {
    const versions = storeOf(this.#configs, `${command.ns}/${command.key}`)
    const refusal = this.#unexpected(command.expect, versions.last?.meta.version ?? null)
    if (refusal !== null) return refusal
    if (versions.last !== null) versions.set(this.#revision, null)
    return this.#ok(false, null)
  }

  #instancePut(put: CommandOf<'instance_put'>): Outcome {
    const versions = storeOf(this.#instances, idOf(put.key))
    const old = versions.last
    const refusal = this.#unexpected(put.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const { ttlMs, removeAfterMs } = put.spec
    if (ttlMs === null) throw new Error('the workload registers with a TTL')
    this.#arm({
      id: instanceLease(put.key),
      ns: put.key.ns,
      ttlMs,
      removeAfterMs,
      onLapse: removeAfterMs === 0 ? 'remove' : 'lapse',
      owner: null,
    })
    const row: InstanceRow = {
      ...put.key,
      spec: put.spec,
      health: 'passing',
      healthReason: null,
      lease: instanceLease(put.key),
      override: null,
      nodeOverride: null,
      revision: this.#revision,
      createdRevision: old?.createdRevision ?? this.#revision,
      createdAtMs: old?.createdAtMs ?? this.#wallMs,
      updatedAtMs: this.#wallMs,
    }
    versions.set(this.#revision, row)
    return this.#ok(old === null, { type: 'instance', instance: row })
  }

  #instanceDelete(command: CommandOf<'instance_delete'>): Outcome {
    const old = storeOf(this.#instances, idOf(command.key)).last
    const refusal = this.#unexpected(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const lease = old?.lease == null ? null : this.#lease(old.lease)
    if (lease !== null) this.#end(lease)
    return this.#ok(false, null)
  }

  #leaseGrant({ ns, id, ttlMs, owner }: CommandOf<'lease_grant'>): Outcome {
    if (this.#lease(id) !== null) {
      const detail = `there is a lease "${id}" already`
      return { ok: false, revision: this.#revision, code: 'conflict', detail }
    }
    const lease = this.#arm({ id, ns, ttlMs, removeAfterMs: 0, onLapse: 'remove', owner })
    return this.#ok(true, { type: 'lease', lease })
  }

  #arm(terms: Omit<LeaseRow, 'leaseRevision' | 'suspectMs' | 'lapsed'>): LeaseRow {
    const lease = { ...terms, leaseRevision: this.#revision, suspectMs: null, lapsed: false }
    this.#change('armed', lease)
    return lease
  }

  #change(type: 'armed' | 'suspect' | 'cleared' | 'lapsed', lease: LeaseRow): void {
    storeOf(this.#leases, lease.id).set(this.#revision, lease)
    this.#changes.push({ type, lease })
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
      if (lease.onLapse === 'remove') this.#end(lease)
      else {
        this.#change('lapsed', { ...lease, suspectMs: null, lapsed: true })
        this.#setHealth(lease, { health: 'critical', healthReason: 'ttl' })
      }
    }
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
    const versions = key === null ? null : this.#instances.get(idOf(key))
    const row = versions?.last ?? null
    if (versions == null || row === null) return
    const changed = { revision: this.#revision, updatedAtMs: this.#wallMs }
    versions.set(this.#revision, { ...row, ...health, ...changed })
  }

  /** A lease goes with everything that hangs on it. */
  #end(lease: LeaseRow): void {
    const key = instanceOfLease(lease.id)
    if (key !== null) this.#instances.get(idOf(key))?.set(this.#revision, null)
    for (const versions of this.#configs.values()) {
      if (versions.last?.meta.lease === lease.id) versions.set(this.#revision, null)
    }
    storeOf(this.#leases, lease.id).set(this.#revision, null)
    this.#changes.push({ type: 'gone', id: lease.id })
  }
}
