/**
 * Configuration once more, from the contract: keys, their versions, schemas; stages stand in
 * `stages.ts`, and every version that ever was in `written.ts`.
 */
import type {
  Command,
  CommandOf,
  ConfigMeta,
  ConfigSchemaRow,
  Expect,
  LeaseRow,
  Outcome,
  OutcomeResult,
} from '../../../src/state/mod.ts'
import { EVENT_KINDS } from '../../../src/state/mod.ts'
import { unexpected } from './expect.ts'
import type { Moment } from './model-services.ts'
import { Stages, type StageHost } from './stages.ts'
import { byName, storeOf, type Versions } from './versions.ts'
import { Written } from './written.ts'

export interface ModelConfig {
  readonly meta: ConfigMeta
  readonly value: Uint8Array
}

/** What the model of the rest does for this one. */
export interface ConfigHost {
  now(): Moment
  lease(id: string): LeaseRow | null
  touch(ns: string, topic: string): void
  tell(ns: string, topic: string, kind: keyof typeof EVENT_KINDS): void
}

export type ConfigCommand = Extract<Command, { readonly type: `config_${string}` }>

export class ConfigModel {
  readonly #host: ConfigHost
  readonly #configs = new Map<string, Versions<ModelConfig>>()
  /** The version a key had last, also while it is deleted. */
  readonly #configVersions = new Map<string, number>()
  readonly #schemas = new Map<string, Versions<ConfigSchemaRow>>()
  readonly stages = new Stages()
  /** Every version of every key, for ever. */
  readonly written = new Written()
  /** Keys whose values the guard around the command at work names. */
  #checked: readonly string[] = []

  constructor(host: ConfigHost) {
    this.#host = host
  }

  at(ns: string, key: string, revision: number): ModelConfig | null {
    return this.#configs.get(`${ns}/${key}`)?.at(revision) ?? null
  }

  schema(ns: string, prefix: string, revision: number): ConfigSchemaRow | null {
    return this.#schemas.get(`${ns}/${prefix}`)?.at(revision) ?? null
  }

  /** Whether the key was ever written. */
  has(key: string): boolean {
    return this.#configs.has(`default/${key}`)
  }

  /** As the entry at work has it. */
  last(ns: string, key: string): ModelConfig | null {
    return this.#configs.get(`${ns}/${key}`)?.last ?? null
  }

  /** All that is kept, by what it is of. */
  get stores(): readonly Map<string, Versions<unknown>>[] {
    return [this.#configs, this.#schemas] as Map<string, Versions<unknown>>[]
  }

  /** The way back to here, within an entry; the stores are taken back by whoever holds them. */
  mark(): () => void {
    const versions = new Map(this.#configVersions)
    return () => {
      this.#configVersions.clear()
      for (const [key, version] of versions) this.#configVersions.set(key, version)
      this.written.drop(this.#now.revision)
    }
  }

  decide(command: ConfigCommand): Outcome {
    switch (command.type) {
      case 'config_put':
        return this.#configPut(command)
      case 'config_delete':
        return this.#configDelete(command)
      case 'config_rollback':
        return this.#configRollback(command)
      case 'config_schema_put':
      case 'config_schema_delete':
        return this.#configSchema(command)
      case 'config_stage_put':
        return this.stages.put(command, this.#stageHost)
      case 'config_stage_delete':
        return this.stages.abort(command, this.#stageHost)
      case 'config_stage_promote':
        return this.stages.promote(command, this.#stageHost)
    }
  }

  /** While `run` is at work the values of these keys count as checked. */
  checked(keys: readonly string[], run: () => Outcome): Outcome {
    this.#checked = keys
    const outcome = run()
    this.#checked = []
    return outcome
  }

  /** Keys on a lease go with it. */
  leaseEnds(id: string): void {
    for (const versions of byName(this.#configs)) {
      if (versions.last?.meta.lease === id) this.#delete(versions, versions.last.meta, null)
    }
  }

  #delete(versions: Versions<ModelConfig>, meta: ConfigMeta, by: string | null): void {
    const { ns, key } = meta
    const { revision, wallMs: atMs } = this.#now
    this.written.deleted(meta, { by, revision, atMs })
    versions.set(revision, null)
    this.#host.touch(ns, `config/${key}`)
    this.#host.tell(ns, `config/${key}`, 'config.deleted')
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

  /** Of those on the prefixes that the key begins with, the newest. */
  schemaRevision(ns: string, key: string): number | null {
    let newest: number | null = null
    for (const { last } of this.#schemas.values()) {
      if (last?.ns !== ns || !key.startsWith(last.prefix)) continue
      newest = Math.max(newest ?? 0, last.revision)
    }
    return newest
  }

  /** A value that was not checked may only be written where no schema governs. */
  #unchecked(ns: string, key: string): Outcome | null {
    if (this.#checked.includes(key) || this.schemaRevision(ns, key) === null) return null
    const detail = `the schema of "${key}" changed while the value was on its way; nothing was applied`
    return { ok: false, revision: this.#now.revision, code: 'schema_changed', detail }
  }

  #configPut(put: CommandOf<'config_put'>): Outcome {
    const versions = storeOf(this.#configs, `${put.ns}/${put.key}`)
    const old = versions.last
    const refusal = this.#refusal(put.expect, old?.meta.version ?? null)
    if (refusal !== null) return refusal
    if (put.lease !== null) {
      const lease = this.#host.lease(put.lease)
      if (lease === null || lease.ns !== put.ns || lease.lapsed) {
        const detail = `there is no lease "${put.lease}"`
        return { ok: false, revision: this.#now.revision, code: 'not_found', detail }
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
      revision: this.#now.revision,
      createdRevision: old?.meta.createdRevision ?? this.#now.revision,
      createdAtMs: old?.meta.createdAtMs ?? this.#now.wallMs,
      updatedAtMs: this.#now.wallMs,
    }
    versions.set(this.#now.revision, { meta, value: put.value })
    this.written.add(meta, { value: put.value, comment: put.comment })
    this.#host.touch(put.ns, `config/${put.key}`)
    this.#host.tell(put.ns, `config/${put.key}`, 'config.put')
    return this.#ok(old === null, { type: 'config', config: meta })
  }

  /** A new version of the old bytes; what is kept is the state machine's business (`trim`). */
  #configRollback(command: CommandOf<'config_rollback'>): Outcome {
    const { ns, key, to, comment, by } = command
    const refusal = this.#refusal(
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
      return { ok: false, revision: this.#now.revision, code: 'not_found', detail }
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
    const refusal = this.#refusal(command.expect, old?.revision ?? null)
    if (refusal !== null) return refusal
    const isPut = command.type === 'config_schema_put'
    if (!isPut && old === null) return this.#ok(false, null)
    this.#host.touch(ns, 'config-schemas')
    if (!isPut) {
      versions.set(this.#now.revision, null)
      return this.#ok(false, null)
    }
    const { schema, by: updatedBy } = command
    const row: ConfigSchemaRow = {
      ns,
      prefix,
      size: schema.length,
      updatedBy,
      revision: this.#now.revision,
      createdRevision: old?.createdRevision ?? this.#now.revision,
      createdAtMs: old?.createdAtMs ?? this.#now.wallMs,
      updatedAtMs: this.#now.wallMs,
      schema,
    }
    versions.set(this.#now.revision, row)
    const { schema: _, ...meta } = row
    return this.#ok(old === null, { type: 'config_schema', schema: meta })
  }

  #configDelete(command: CommandOf<'config_delete'>): Outcome {
    const versions = storeOf(this.#configs, `${command.ns}/${command.key}`)
    const refusal = this.#refusal(command.expect, versions.last?.meta.version ?? null)
    if (refusal !== null) return refusal
    if (versions.last !== null) this.#delete(versions, versions.last.meta, command.by)
    return this.#ok(false, null)
  }

  get #stageHost(): StageHost {
    return {
      revision: this.#now.revision,
      wallMs: this.#now.wallMs,
      versionOf: (id) => this.#configs.get(id)?.last?.meta.version ?? 0,
      put: (command) => this.#configPut(command),
      changed: (ns, topic) => {
        this.#host.touch(ns, topic)
        this.#host.tell(ns, topic, 'config.staged')
      },
    }
  }
}
