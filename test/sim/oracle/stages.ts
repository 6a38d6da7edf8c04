/**
 * Staged release, from the contract: who sees which value, and whose view of a key changed when.
 * Rules are read and buckets are counted by themselves, so that a bug of the production code does
 * not blind who looks for it.
 */
import type { StageMeta } from '../../../src/state/mod.ts'
import { Versions } from './versions.ts'

export interface ModelStage {
  readonly meta: StageMeta
  readonly value: Uint8Array
}

type Labels = ReadonlyMap<string, string>

/** By namespace and key, with a slash between. */
interface OfKey {
  readonly stages: Map<string, Versions<ModelStage>>
  /** Ascending: which rule of which stage began or ended to hold. */
  readonly changes: { readonly revision: number; readonly stage: string; readonly rule: string }[]
}

export class Stages {
  readonly #keys = new Map<string, OfKey>()

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
    const isSeen = ({ meta }: ModelStage): boolean => fits(id, meta.stage, meta.rule, labels)
    return this.at(id, revision).find(isSeen) ?? null
  }

  /** When such a caller last saw a stage come, change or go; 0: never. */
  changedFor(id: string, labels: Labels, revision: number): number {
    const change = this.#keys
      .get(id)
      ?.changes.findLast((one) => one.revision <= revision && fits(id, one.stage, one.rule, labels))
    return change?.revision ?? 0
  }

  set(id: string, revision: number, stage: string, next: ModelStage | null): void {
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
