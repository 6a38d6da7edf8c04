/**
 * What keys, guards and transactions come to, from the contract (API.md "retries", "Transactions",
 * DESIGN §8): said once more, without rows, clean-ups or savepoints.
 */
import { sameBytes } from '../../../src/lib/bytes.ts'
import { encodeOutcome } from '../../../src/state/mod.ts'
import type {
  Command,
  CommandOf,
  Condition,
  InstanceKey,
  InstanceRow,
  KeyRules,
  LeaseRow,
  Outcome,
  OutcomeResult,
} from '../../../src/state/mod.ts'
import type { ModelConfig } from './model-config.ts'

/** The state at the entry at work, with what was done by it so far. */
export interface Now {
  readonly revision: number
  readonly clusterMs: number
  config(ns: string, key: string): ModelConfig | null
  instance(key: InstanceKey): InstanceRow | null
  lease(id: string): LeaseRow | null
  isHolder(ns: string, name: string, token: number): boolean
  schemaRevision(ns: string, key: string): number | null
  run(command: Command): Outcome
}

interface Kept {
  readonly requestHash: Uint8Array
  readonly outcome: Outcome
  /** Of the outcome, as it is kept. */
  readonly bytes: number
  readonly atMs: number
}

/** Refusals after which the same key may come again. */
const DECIDE_NOTHING = new Set(['schema_changed', 'too_many_requests'])

export class KeyModel {
  readonly #rules: KeyRules
  readonly #kept = new Map<string, Kept>()

  constructor(rules: KeyRules) {
    this.#rules = rules
  }

  decide(command: CommandOf<'keyed'>, now: Now): Outcome {
    const { caller, key, requestHash } = command
    for (const [name, { atMs }] of this.#kept) {
      if (now.clusterMs - atMs > this.#rules.windowMs) this.#kept.delete(name)
    }
    const name = `${caller}/${key}`
    const kept = this.#kept.get(name)
    if (kept !== undefined) {
      return sameBytes(kept.requestHash, requestHash) ? kept.outcome : reused(now, key)
    }
    if (this.#kept.size >= this.#rules.keysMax) {
      return full(now, 'as many idempotency keys are kept as can be')
    }
    if (this.#bytes() >= this.#rules.bytesMax) {
      return full(now, 'what is kept under idempotency keys takes all the room that it may')
    }
    const outcome = now.run(command.command)
    if (!outcome.ok && DECIDE_NOTHING.has(outcome.code)) return outcome
    const bytes = encodeOutcome(outcome).length
    this.#kept.set(name, { requestHash, outcome, bytes, atMs: now.clusterMs })
    return outcome
  }

  #bytes(): number {
    return this.#kept.values().reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

function reused({ revision }: Now, key: string): Outcome {
  const detail = `the key "${key}" stands for another request; take a new key for a new request`
  return { ok: false, revision, code: 'idempotency_key_reused', detail }
}

function full({ revision }: Now, reason: string): Outcome {
  const detail = `${reason}: nothing was applied; try again later, or without a key`
  return { ok: false, revision, code: 'too_many_requests', detail }
}

export function guardedModel(command: CommandOf<'guarded'>, now: Now): Outcome {
  const { revision } = now
  for (const { name, token } of command.fences) {
    if (now.isHolder(command.ns, name, token)) continue
    const detail = `the token ${token} is not a current holder of the lock "${name}"`
    return { ok: false, revision, code: 'stale_token', detail }
  }
  for (const { key, revision: checked } of command.schemas) {
    if (now.schemaRevision(command.ns, key) === checked) continue
    const detail = `the schema of "${key}" changed while the value was on its way; nothing was applied`
    return { ok: false, revision, code: 'schema_changed', detail }
  }
  return now.run(command.command)
}

type TxnOutcome = Extract<OutcomeResult, { type: 'txn' }>

/** The workload's values are small: no transaction reads more than it may. */
export function txnModel(command: CommandOf<'txn'>, now: Now): Outcome {
  const { ns, conditions, whenTrue, whenFalse } = command
  const succeeded = conditions.every((condition) => holds(condition, ns, now))
  const results: TxnOutcome['results'][number][] = []
  for (const [failed, op] of (succeeded ? whenTrue : whenFalse).entries()) {
    if (op.type === 'read') {
      const config = now.config(ns, op.key)
      results.push({
        created: false,
        version: config?.meta.version ?? null,
        revision: config?.meta.revision ?? null,
        content:
          config === null ? null : { contentType: config.meta.contentType, value: config.value },
      })
      continue
    }
    const outcome = now.run(op.command)
    if (!outcome.ok) return { ...outcome, failed }
    const { created, result } = outcome
    const version = result?.type === 'config' ? result.config.version : null
    results.push({ created, version, revision: revisionOf(result), content: null })
  }
  const { revision } = now
  return { ok: true, revision, created: false, result: { type: 'txn', succeeded, results } }
}

function revisionOf(result: OutcomeResult | null): number | null {
  switch (result?.type) {
    case 'config':
      return result.config.revision
    case 'instance':
      return result.instance.revision
    default:
      return null // The workload's transactions write nothing else that has one.
  }
}

function holds(condition: Condition, ns: string, now: Now): boolean {
  switch (condition.type) {
    case 'config_version':
      return (now.config(ns, condition.key)?.meta.version ?? 0) === condition.version
    case 'config_value': {
      const config = now.config(ns, condition.key)
      return config !== null && sameBytes(config.value, condition.value)
    }
    case 'lock':
      return now.isHolder(ns, condition.name, condition.token)
    case 'instance': {
      const { service, id } = condition
      return (now.instance({ ns, service, id }) !== null) === condition.exists
    }
    case 'lease': {
      const lease = now.lease(condition.id)
      return (lease !== null && lease.ns === ns && !lease.lapsed) === condition.exists
    }
  }
}
