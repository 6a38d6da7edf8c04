/**
 * Idempotency keys (API.md "retries", DESIGN §8). They are looked up and stored here, at apply, in
 * the transaction of the write itself: whichever node or leader a repeat comes through, it finds
 * what the first one left, and takes it along in snapshots.
 *
 * | a row of the caller and key | what becomes of the write |
 * | --- | --- |
 * | none, or older than the window | applied; its outcome is kept, a refusal too |
 * | of the same request | not applied: the first outcome again, byte for byte |
 * | of another request | refused: `idempotency_key_reused` |
 *
 * Rows leave by age alone, judged by the cluster's clock: a table that is full refuses new keys and
 * forgets none early. What is full is either the number of keys or the room that their outcomes take: that
 * of a transaction holds all that it read, which may be a hundred thousand times what others hold.
 */
import { assert } from '../lib/assert.ts'
import { sameBytes } from '../lib/bytes.ts'
import type { Command, CommandOf } from './command.ts'
import type { Context } from './context.ts'
import { decodeOutcome, encodeOutcome } from './codec/outcome-codec.ts'
import type { Outcome, Refusal } from './outcome.ts'
import type { IdempotencyRecord } from './tables/schema.ts'
import type { Tables } from './tables/tables.ts'

/** What the state keeps to; the same on every node of a cluster, or states differ. */
export interface KeyRules {
  /** More keys than this are not kept at a time. */
  readonly keysMax: number
  /** Nor is a new one kept once their outcomes take so many bytes: they exceed it by one at most. */
  readonly bytesMax: number
  /** How long a repeat is answered from the table, on the cluster's clock. */
  readonly windowMs: number
}

/**
 * A client may repeat a write for 2 minutes on its clock, from when it first sent it. The last repeat
 * may wait another minute for a leader (`?timeout=` has no more), and clocks may differ by a tenth.
 * Outcomes of plain writes take some 100 to 500 bytes: a million of them fit.
 */
export const KEY_RULES: KeyRules = {
  keysMax: 1_000_000,
  bytesMax: 512 * 1024 * 1024,
  windowMs: 200_000,
}

/** Rows past the window that a keyed write clears away: more than it adds, so they run out. */
const CLEARED = 2
/** The same while the table is full: the last that was kept may have taken the room of many. */
const CLEARED_MAX = 1_000

/** The table of keys, and what is derived from it: its sums, and when the next row is too old. */
export class Keys {
  readonly #tables: Tables
  readonly #rules: KeyRules
  #count: number
  #bytes: number
  /** The oldest row's `clusterMs`, Infinity where there is none; null: to be looked up. */
  #oldestMs: number | null = null

  constructor(tables: Tables, rules: KeyRules) {
    this.#tables = tables
    this.#rules = rules
    const { count, bytes } = tables.idempotencySums()
    this.#count = count
    this.#bytes = bytes
  }

  get count(): number {
    return this.#count
  }

  /** Of all outcomes that are kept. */
  get bytes(): number {
    return this.#bytes
  }

  /** What there is too much of for another key; null: nothing. */
  get full(): 'keys' | 'bytes' | null {
    if (this.#count >= this.#rules.keysMax) return 'keys'
    return this.#bytes >= this.#rules.bytesMax ? 'bytes' : null
  }

  /** The row that answers for a key now; what is past the window answers for nothing. */
  find(caller: string, key: string, nowMs: number): IdempotencyRecord | null {
    const row = this.#tables.idempotency.find(caller, key)
    if (row === null || !this.#isPast(row.clusterMs, nowMs)) return row
    this.#delete(row)
    return null
  }

  insert(row: IdempotencyRecord): void {
    assert(this.full === null, 'a full table takes no key')
    this.#tables.idempotency.insert(row)
    this.#count += 1
    this.#bytes += row.outcome.length
    if (this.#oldestMs === Infinity) this.#oldestMs = row.clusterMs
  }

  /** Removes a few of those that are past the window, the oldest first; until there is room. */
  clear(nowMs: number): void {
    let cleared = this.#clearSome(nowMs)
    while (this.full !== null && cleared < CLEARED_MAX) {
      const more = this.#clearSome(nowMs)
      if (more === 0) return
      cleared += more
    }
  }

  #clearSome(nowMs: number): number {
    if (this.#oldestMs !== null && !this.#isPast(this.#oldestMs, nowMs)) return 0
    // One more than are cleared: it says when to look again.
    const oldest = this.#tables.oldestKeys(CLEARED + 1)
    const past = oldest.slice(0, CLEARED).filter((row) => this.#isPast(row.clusterMs, nowMs))
    for (const row of past) this.#delete(row)
    this.#oldestMs = oldest[past.length]?.clusterMs ?? Infinity
    return past.length
  }

  #delete(row: IdempotencyRecord): void {
    assert(this.#count > 0, 'keys are counted right')
    this.#tables.idempotency.delete(row)
    this.#count -= 1
    this.#bytes -= row.outcome.length
    assert(this.#bytes >= 0, 'and so are their bytes')
    this.#oldestMs = null
  }

  #isPast(sinceMs: number, nowMs: number): boolean {
    return nowMs - sinceMs > this.#rules.windowMs
  }
}

/** `run` applies what the key stands for. */
export function keyed(
  context: Context,
  command: CommandOf<'keyed'>,
  run: (command: Command) => Outcome,
): Outcome {
  const { keys, clusterMs } = context
  const { caller, key, requestHash } = command
  keys.clear(clusterMs)
  const known = keys.find(caller, key, clusterMs)
  if (known !== null) return repeated(context, known, requestHash)
  if (keys.full !== null) return full(context, keys.full)
  // Whoever repeats it wants the thing, and no row may depend on who waits now.
  context.wanted = true
  const outcome = run(command.command)
  if (!isFinal(outcome)) return outcome
  keys.insert({
    caller,
    key,
    requestHash,
    outcome: encodeOutcome(outcome),
    clusterMs,
    ...context.tail(null),
  })
  return outcome
}

/** "Check again" and "later" decided nothing: whoever asks comes back with the same key. */
function isFinal(outcome: Outcome): boolean {
  return outcome.ok || (outcome.code !== 'schema_changed' && outcome.code !== 'too_many_requests')
}

function repeated(context: Context, known: IdempotencyRecord, requestHash: Uint8Array): Outcome {
  if (sameBytes(known.requestHash, requestHash)) return decodeOutcome(known.outcome)
  return {
    ok: false,
    revision: context.revision,
    code: 'idempotency_key_reused',
    detail: `the key "${known.key}" stands for another request; take a new key for a new request`,
  }
}

const FULL = {
  keys: 'as many idempotency keys are kept as can be',
  bytes: 'what is kept under idempotency keys takes all the room that it may',
} as const

function full(context: Context, of: 'keys' | 'bytes'): Refusal {
  return {
    ok: false,
    revision: context.revision,
    code: 'too_many_requests',
    detail: `${FULL[of]}: nothing was applied; try again later, or without a key`,
  }
}
