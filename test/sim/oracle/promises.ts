/**
 * What clients were promised (RELIABILITY §3), checked as they are told. Every reply carries a
 * revision, so the linearization order is known, and the check is linear (§3.1, "revision
 * checker"):
 *
 * (a) a write's revision is its place in the log, and its outcome what the log says there;
 * (b) a read's value is the state at its revision;
 * (c) whatever returned before an operation began has no larger revision than it (no equal one
 *     either, where it writes). Stale reads promise (a) and (b) alone, and
 * (d) that what had been told before their staleness is in them.
 */
import { sameBytes } from '../../../src/lib/bytes.ts'
import { encodeCommand, type Command, type Outcome } from '../../../src/state/mod.ts'
import type { Sometimes } from '../sometimes/situations.ts'
import { insist } from '../violation.ts'
import type { History } from './history.ts'

/** When an operation began, and what was known to the world then. */
export interface Call {
  readonly atMs: number
  /** The largest revision that anybody had been told of. */
  readonly floor: number
}

interface Write {
  readonly name: string
  readonly tag: string | null
  fate: 'open' | 'acknowledged' | 'definitely_not' | 'unknown'
}

/** The time of the world, which no node knows. */
export interface TrueClock {
  readonly nowMs: number
  /** How far the rate of any node's clock may be off it. */
  readonly drift: number
}

export class Promises {
  readonly #history: History
  readonly #clock: TrueClock
  readonly #sometimes: Sometimes
  readonly #writes: Write[] = []
  #told = 0
  /** Since when so much was told, ascending in both. */
  readonly #tellings: { readonly atMs: number; readonly revision: number }[] = []
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0, reads: 0 }

  constructor(history: History, sometimes: Sometimes, clock: TrueClock) {
    this.#history = history
    this.#clock = clock
    this.#sometimes = sometimes
  }

  call(nowMs: number): Call {
    return { atMs: nowMs, floor: this.#told }
  }

  write(name: string, command: Command): Write {
    const write: Write = { name, tag: tagOf(command), fate: 'open' }
    this.#writes.push(write)
    return write
  }

  /** W1, W2: a success, or an outcome decided by the log, is in the log for ever. */
  acknowledged(write: Write, command: Command, outcome: Outcome, call: Call): void {
    const { revision } = outcome
    const known = this.#history.at(revision)
    write.fate = 'acknowledged'
    this.counts.acknowledged += 1
    insist(
      known !== null &&
        known.command !== null &&
        sameBytes(known.entry.data, encodeCommand(command)),
      'an acknowledged write is in the log (W1, W2)',
      () => `${write.name} was told revision ${revision}, where the log has another entry or none`,
    )
    insist(
      revision > call.floor,
      'writes are linearizable (W1)',
      () =>
        `${write.name} got revision ${revision}, though ${call.floor} was known before it began`,
    )
    const expected = known?.effect?.outcome
    insist(
      expected?.ok === outcome.ok &&
        (!outcome.ok || outcome.created === (expected as typeof outcome).created),
      'an outcome is what the contract says',
      () => `${write.name}: ${JSON.stringify(outcome)}, not ${JSON.stringify(expected)}`,
    )
    this.#tell(revision)
  }

  /** W3: which of the two, the failure says. */
  failed(write: Write, definite: boolean): void {
    write.fate = definite ? 'definitely_not' : 'unknown'
    this.counts[definite ? 'refused' : 'unknown'] += 1
  }

  /** D1: nothing is answered from a state that the log has shown to be wrong. */
  mayAnswer(
    { id, exposedAt }: { readonly id: string; readonly exposedAt: number | null },
    revision: number,
  ): void {
    insist(
      exposedAt === null || revision < exposedAt,
      'a state that was found wrong answers nothing (D1)',
      () => `${id} answered a read at ${revision}, though entry ${exposedAt} said that it is wrong`,
    )
  }

  read(
    name: string,
    got: {
      readonly revision: number
      readonly minRevision: number
      readonly value: unknown
      readonly stale: boolean
      readonly stalenessMs: number | null
    },
    expected: (revision: number) => unknown,
    call: Call,
  ): void {
    const { revision, value, stale } = got
    this.counts.reads += 1
    insist(
      revision <= this.#history.last,
      'a read shows committed state (R3)',
      () => `${name} was answered at ${revision}, committed is ${this.#history.last}`,
    )
    insist(
      stale || revision >= call.floor,
      'reads are linearizable (R1, R2)',
      () => `${name} was answered at ${revision}, though ${call.floor} was known before it began`,
    )
    const floor = got.stalenessMs === null ? 0 : this.#toldBefore(call.atMs, got.stalenessMs)
    insist(
      revision >= floor,
      'a stale read is no older than it says (DESIGN §6)',
      () => `${name} was answered at ${revision}, "${got.stalenessMs} ms" old; ${floor} is older`,
    )
    insist(
      revision >= got.minRevision,
      'min-revision is never answered from before it (R3)',
      () => `${name} was answered at ${revision}, asked for was ${got.minRevision}`,
    )
    const right = expected(revision)
    insist(
      Bun.deepEquals(value, right),
      'a read shows the state at its revision',
      () => `${name} at ${revision}: ${JSON.stringify(value)}, not ${JSON.stringify(right)}`,
    )
    this.#tell(revision)
  }

  /** Somebody was told of what `Repeats` judges. */
  learnt(revision: number): void {
    this.#tell(revision)
  }

  #tell(revision: number): void {
    if (revision <= this.#told) return
    this.#told = revision
    this.#tellings.push({ atMs: this.#clock.nowMs, revision })
  }

  /** The largest revision that was known `ms` of any node's clock before `atMs`. */
  #toldBefore(atMs: number, ms: number): number {
    const sinceMs = atMs - ms / (1 - this.#clock.drift)
    return this.#tellings.findLast((telling) => telling.atMs < sinceMs)?.revision ?? 0
  }

  /** W1, W3 at the end: at most once, and never where "definitely not" was said. */
  settle(): void {
    const times = new Map<string, number>()
    for (const { command } of this.#history.entries) {
      const tag = command === null ? null : tagOf(command)
      if (tag !== null) times.set(tag, (times.get(tag) ?? 0) + 1)
    }
    for (const { name, tag, fate } of this.#writes) {
      const count = tag === null ? 0 : (times.get(tag) ?? 0)
      if (fate === 'unknown' && tag !== null) {
        const how =
          count > 0 ? 'an unknown write had happened' : 'an unknown write had not happened'
        this.#sometimes.met(how)
      }
      insist(count <= 1, 'at most once (W1)', () => `${name} is ${count} times in the log`)
      insist(
        fate !== 'definitely_not' || count === 0,
        'a definite failure never appears (W3)',
        () => `${name} was refused for certain and is in the log`,
      )
    }
  }
}

/** What makes a write one of its kind. */
function tagOf(command: Command): string | null {
  switch (command.type) {
    case 'config_put':
    case 'config_delete':
    case 'config_rollback':
    case 'config_schema_put':
    case 'override_put':
    case 'node_override_put':
      return command.by
    case 'instance_patch':
      return command.patch.metadata?.tag ?? null
    case 'service_put':
      return command.settings.metadata.tag ?? null
    case 'lease_grant':
      return command.owner
    case 'instance_put':
      return command.spec.metadata.tag ?? null
    case 'txn': {
      const writes = command.whenTrue.flatMap((op) => (op.type === 'write' ? [op.command] : []))
      return writes.map(tagOf).find((tag) => tag !== null) ?? null
    }
    default:
      return null
  }
}
