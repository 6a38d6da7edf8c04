import type { Mutant } from './mutant.ts'

/** Of keys, guards and transactions. */
export const WRAPPED_MUTANTS: readonly Mutant[] = [
  {
    name: 'refusal-not-kept',
    source: 'a key keeps no refusal, and its repeat is decided anew (S1)',
    file: 'src/state/keyed.ts',
    find: 'if (!isFinal(outcome)) return outcome',
    replace: 'if (!outcome.ok) return outcome',
  },
  {
    name: 'key-known-to-the-edge-alone',
    source: 'the edge drops the key and sends a write again whose link was lost (jetcd; G1)',
    file: 'src/replica/gateway.ts',
    find: 'const encoded = encode(command)',
    replace: "const encoded = encode(command.type === 'keyed' ? command.command : command)",
  },
  {
    name: 'key-dropped-early',
    source: 'a key is forgotten after half of its window (S1)',
    file: 'src/state/keyed.ts',
    find: 'return nowMs - sinceMs > this.#rules.windowMs',
    replace: 'return nowMs - sinceMs > this.#rules.windowMs / 2',
  },
  {
    name: 'key-dropped-for-room',
    source: 'a full table forgets its oldest key (DESIGN §8)',
    file: 'src/state/keyed.ts',
    find: 'if (keys.full !== null) return full(context, keys.full)',
    replace: `if (keys.full !== null) {
    const [oldest] = context.tables.oldestKeys(1)
    if (oldest === undefined) return full(context, keys.full)
    keys.find(oldest.caller, oldest.key, Infinity)
  }`,
  },
  {
    name: 'kept-bytes-unbounded',
    source: 'outcomes of keys take whatever room they want (DESIGN §1.6)',
    file: 'src/state/keyed.ts',
    find: "return this.#bytes >= this.#rules.bytesMax ? 'bytes' : null",
    replace: 'return null',
  },
  {
    name: 'kept-bytes-from-zero',
    source: 'a node that restarts forgets how much is kept under keys (DESIGN §1.2)',
    file: 'src/state/tables/tables.ts',
    find: 'bytes: (bytes as number | null) ?? 0 }',
    replace: 'bytes: bytes === null ? 0 : 0 }',
  },
  {
    name: 'key-by-wall-clock',
    source:
      'the window of a key is judged by the wall clock (RELIABILITY §3, dedup by log content)',
    file: 'src/state/keyed.ts',
    find: 'const { keys, clusterMs } = context',
    replace: 'const { keys, wallMs: clusterMs } = context',
  },
  {
    name: 'key-of-other-request',
    source: 'a key answers whatever request comes with it (DESIGN §8)',
    file: 'src/state/keyed.ts',
    find: 'if (sameBytes(known.requestHash, requestHash)) return',
    replace: 'if (known.requestHash.length === requestHash.length) return',
  },
  {
    name: 'key-keeps-check-again',
    source:
      'a guard that asks to be checked again is kept: the write can never be made (DESIGN §8)',
    file: 'src/state/keyed.ts',
    find: "return outcome.ok || (outcome.code !== 'schema_changed' &&",
    replace: "return outcome.ok || (outcome.code !== 'conflict' &&",
  },
  {
    name: 'kept-depends-on-waiter',
    source: 'what a key keeps is whole only where somebody waits (DESIGN §1.2)',
    file: 'src/state/keyed.ts',
    find: 'context.wanted = true',
    replace: 'context.wanted ||= false',
  },
  {
    name: 'uncertain-called-refused',
    source: 'a write that left twice is called not applied for what its second try met (W3)',
    file: 'src/replica/leader-calls.ts',
    find: 'const sent = uncertain || (isWrite(request) && askedOf !== null)',
    replace: 'const sent = isWrite(request) && askedOf !== null && uncertain !== null',
  },
  {
    name: 'newest-proposed-early',
    source: 'a command is proposed before every member knows it (DESIGN §1.7)',
    file: 'src/replica/gateway.ts',
    find: 'while (state.clusterVersion < version) {',
    replace: 'while (state.clusterVersion < version - 3) {',
  },
  {
    name: 'fence-not-judged',
    source: 'a fenced write passes with any token (K1)',
    file: 'src/state/guarded.ts',
    find: 'if (!isHolder(context, ns, { name, token })) return',
    replace: 'if (token < 1 && !isHolder(context, ns, { name, token })) return',
  },
  {
    name: 'txn-condition-ignored',
    source: 'a transaction does its first branch whatever the conditions say (W1)',
    file: 'src/state/txn.ts',
    find: 'conditions.every((condition) => holds(context, ns, condition))',
    replace: 'conditions.every((condition) => holds(context, ns, condition) || ns !== "")',
  },
  {
    name: 'txn-any-condition',
    source: 'one condition that holds is enough for a transaction (W1)',
    file: 'src/state/txn.ts',
    find: 'conditions.every((condition) => holds(context, ns, condition))',
    replace:
      'conditions.length === 0 || conditions.some((condition) => holds(context, ns, condition))',
  },
  {
    name: 'txn-keeps-half',
    source: 'a transaction that fails keeps what it had done (G4, atomicity)',
    file: 'src/state/context.ts',
    find: 'savepoint.rollback()',
    replace: 'savepoint.release()',
  },
  {
    name: 'txn-tells-what-was-not',
    source: 'waiters are woken for what a failed transaction took back (V1)',
    file: 'src/state/context.ts',
    find: 'return [this.topics, this.leases,',
    replace: 'return [this.leases,',
  },
  {
    name: 'txn-keeps-scopes',
    source: 'a failed transaction leaves revisions of services that never changed (W1)',
    file: 'src/state/context.ts',
    find: "this.scopes.end(outcome.ok ? 'kept' : 'taken_back')",
    replace: "this.scopes.end('kept')",
  },
  {
    name: 'txn-keeps-leases',
    source: 'a failed transaction starts deadlines of leases that are not (L2)',
    file: 'src/state/context.ts',
    find: 'return [this.topics, this.leases,',
    replace: 'return [this.topics,',
  },
  {
    name: 'txn-keeps-events',
    source: 'watchers are told of what a failed transaction took back (V1)',
    file: 'src/state/context.ts',
    find: 'this.notes, this.events',
    replace: 'this.notes',
  },
]
