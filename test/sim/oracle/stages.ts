/**
 * Staged release, from the contract: who sees which value, and whose view of a key changed when.
 * Rules are read and buckets are counted by themselves, so that a bug of the production code does
 * not blind who looks for it.
 */
import type { CommandOf, Outcome, StageMeta } from '../../../src/state/mod.ts'
import { unexpected } from './expect.ts'
import { Versions } from './versions.ts'

export interface ModelStage {
  readonly meta: StageMeta
  readonly value: Uint8Array
}

type Labels = ReadonlyMap<string, string>

interface Ruled {
  readonly stage: string
  readonly rule: string
}

/** By namespace and key, with a slash between. */
interface OfKey {
  readonly stages: Map<string, Versions<ModelStage>>
  /** Ascending: which rule of which stage began or ended to hold. */
  readonly changes: { readonly revision: number; readonly stage: string; readonly rule: string }[]
}

/** The rest of the model, as of one entry. */
export interface StageHost {
  readonly revision: number
  readonly wallMs: number
  /** Of a key; 0 where there is none. */
  versionOf(id: string): number
  put(command: CommandOf<'config_put'>): Outcome
  changed(ns: string, topic: string): void
}

export class Stages {
  readonly #keys = new Map<string, OfKey>()
  /** By caller; and by key, stage and rule: whether they fit, which is so for ever. */
  readonly #fitting = new WeakMap<Labels, Map<string, boolean>>()

  last(id: string, stage: string): ModelStage | null {
    return this.#keys.get(id)?.stages.get(stage)?.last ?? null
  }

  /** How many there are of a key now. */
  count(id: string): number {
    const stages = [...(this.#keys.get(id)?.stages.values() ?? [])]
    return stages.filter((versions) => versions.last !== null).length
  }

  /** By name. */
  at(id: string, revision: number): ModelStage[] {
    const stages = [...(this.#keys.get(id)?.stages ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))
    return stages.flatMap(([, versions]) => versions.at(revision) ?? [])
  }

  /** What a caller with these labels is given in place of the key's value. */
  seenBy(id: string, labels: Labels, revision: number): ModelStage | null {
    const isSeen = ({ meta }: ModelStage): boolean => this.#fits(id, meta, labels)
    return this.at(id, revision).find(isSeen) ?? null
  }

  /** When such a caller last saw a stage come, change or go; 0: never. */
  changedFor(id: string, labels: Labels, revision: number): number {
    const change = this.#keys
      .get(id)
      ?.changes.findLast((one) => one.revision <= revision && this.#fits(id, one, labels))
    return change?.revision ?? 0
  }

  #fits(id: string, { stage, rule }: Ruled, labels: Labels): boolean {
    let known = this.#fitting.get(labels)
    if (known === undefined) this.#fitting.set(labels, (known = new Map()))
    const name = `${id} ${stage} ${rule}`
    let does = known.get(name)
    if (does === undefined) known.set(name, (does = fits(id, stage, rule, labels)))
    return does
  }

  put(put: CommandOf<'config_stage_put'>, host: StageHost): Outcome {
    const id = `${put.ns}/${put.key}`
    const { type: _, expect, value, by: updatedBy, ...named } = put
    const old = this.last(id, put.stage)
    const refusal = unexpected(expect, old?.meta.revision ?? null, host.revision)
    if (refusal !== null) return refusal
    const meta: StageMeta = {
      ...named,
      updatedBy,
      baseVersion: host.versionOf(id),
      size: value.length,
      revision: host.revision,
      createdRevision: old?.meta.createdRevision ?? host.revision,
      createdAtMs: old?.meta.createdAtMs ?? host.wallMs,
      updatedAtMs: host.wallMs,
    }
    this.#set(id, host.revision, put.stage, { meta, value })
    host.changed(put.ns, `stages/${put.key}`)
    const result = { type: 'stage', stage: meta } as const
    return { ok: true, revision: host.revision, created: old === null, result }
  }

  abort({ ns, key, stage, expect }: CommandOf<'config_stage_delete'>, host: StageHost): Outcome {
    const old = this.last(`${ns}/${key}`, stage)
    const refusal = unexpected(expect, old?.meta.revision ?? null, host.revision)
    if (refusal !== null) return refusal
    if (old !== null) this.#end({ ns, key, stage }, host)
    return { ok: true, revision: host.revision, created: false, result: null }
  }

  /** A put of the staged bytes; without a word of the caller only over what they were staged on. */
  promote(command: CommandOf<'config_stage_promote'>, host: StageHost): Outcome {
    const { ns, key, stage, by, stageRevision } = command
    const { revision } = host
    const old = this.last(`${ns}/${key}`, stage)
    if (old === null) {
      const detail = `nothing is staged for "${key}" as "${stage}"`
      return { ok: false, revision, code: 'not_found', detail }
    }
    if (stageRevision !== null && stageRevision !== old.meta.revision) {
      const detail = `"${stage}" was staged anew meanwhile: look at it and promote it again`
      return { ok: false, revision, code: 'conflict', detail }
    }
    const { contentType, baseVersion } = old.meta
    const comment = command.comment ?? old.meta.comment
    const expect = command.expect ?? { match: [baseVersion], absent: false }
    const put = { ns, key, contentType, value: old.value, comment, by, lease: null, expect }
    const outcome = host.put({ type: 'config_put', ...put })
    if (outcome.ok) this.#end({ ns, key, stage }, host)
    else if (outcome.code === 'version_mismatch' && command.expect === null) {
      const why = `"${key}" has changed since version ${baseVersion}, on which it was staged`
      const then = 'stage it anew, or name with If-Match the version to replace'
      return { ...outcome, detail: `${why}: ${outcome.detail}; ${then}` }
    }
    return outcome
  }

  #end(
    { ns, key, stage }: { readonly ns: string; readonly key: string; readonly stage: string },
    host: StageHost,
  ): void {
    this.#set(`${ns}/${key}`, host.revision, stage, null)
    host.changed(ns, `stages/${key}`)
  }

  #set(id: string, revision: number, stage: string, next: ModelStage | null): void {
    const of = this.#keys.get(id) ?? { stages: new Map<string, never>(), changes: [] }
    this.#keys.set(id, of)
    const versions = of.stages.get(stage) ?? new Versions<ModelStage>()
    of.stages.set(stage, versions)
    for (const rule of [versions.last?.meta.rule, next?.meta.rule]) {
      if (rule !== undefined) of.changes.push({ revision, stage, rule })
    }
    versions.set(revision, next)
  }
}

function fits(id: string, stage: string, rule: string, labels: Labels): boolean {
  return rule.split(';').every((condition) => {
    const [label = '', values = ''] = condition.split('=')
    if (label !== 'percent') return values.split(',').includes(labels.get(label) ?? '')
    const instance = labels.get('instance')
    const [ns, ...key] = id.split('/')
    const name = `${ns}\n${key.join('/')}\n${stage}\n${instance}`
    return instance !== undefined && bucket(name) < Number(values) * 100
  })
}

const u32 = (value: bigint): bigint => value % (1n << 32n)

/** MurmurHash3 (x86, 32 bits, seed 0) of ASCII, with whole numbers and divisions alone. */
function bucket(text: string): number {
  const bytes = new TextEncoder().encode(text)
  const word = (at: number): bigint =>
    [3, 2, 1, 0].reduce((sum, i) => (sum << 8n) | BigInt(bytes[at + i] ?? 0), 0n)
  const rotated = (value: bigint, by: bigint): bigint => u32(value << by) + (value >> (32n - by))
  const mixed = (k: bigint): bigint => u32(rotated(u32(k * 0xcc9e2d51n), 15n) * 0x1b873593n)
  let h = 0n
  const whole = bytes.length - (bytes.length % 4)
  for (let at = 0; at < whole; at += 4) {
    h = u32(rotated(h ^ mixed(word(at)), 13n) * 5n + 0xe6546b64n)
  }
  if (whole < bytes.length) h ^= mixed(word(whole))
  h ^= BigInt(bytes.length)
  h = u32((h ^ (h >> 16n)) * 0x85ebca6bn)
  h = u32((h ^ (h >> 13n)) * 0xc2b2ae35n)
  h ^= h >> 16n
  return Number(h % 10_000n)
}
