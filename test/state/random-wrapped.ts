/** Random keys, guards and transactions around random commands. */
import { utf8 } from '../../src/lib/bytes.ts'
import type { Random } from '../../src/lib/prng.ts'
import type { Command, Condition, StateMachine, TxnOp } from '../../src/state/mod.ts'
import { randomCommand } from './random-commands.ts'
import { randomFence } from './random-locks.ts'

const NAMESPACES = ['default', 'ns～', 'ns🦊']
const KEYS = ['app', 'app/a', 'z']
const OWN = new Set(['lease_expire', 'lease_remove', 'lease_suspect', 'lease_clear', 'lock_grant'])
const ALONE = new Set(['lock_acquire', 'lock_cancel'])

/** The next one that a client could send. */
export function clientCommand(random: Random, machine: StateMachine): Command {
  for (;;) {
    const command = randomCommand(random, machine)
    if (!OWN.has(command.type)) return command
  }
}

/** One that may stand in a transaction. */
export function txnCommand(random: Random, machine: StateMachine): Command {
  for (;;) {
    const command = clientCommand(random, machine)
    if (!ALONE.has(command.type)) return command
  }
}

export function randomTxn(random: Random, machine: StateMachine, opsMax = 4): Command {
  const ops = (): TxnOp[] =>
    Array.from({ length: random(opsMax + 1) }, () => {
      if (random(5) === 0) return { type: 'read', key: pick(random, KEYS) }
      return { type: 'write', command: txnCommand(random, machine) }
    })
  const ns = pick(random, NAMESPACES)
  const conditions = Array.from({ length: random(3) }, () => randomCondition(random, machine, ns))
  return { type: 'txn', ns, conditions, whenTrue: ops(), whenFalse: ops() }
}

function randomCondition(random: Random, machine: StateMachine, ns: string): Condition {
  const key = pick(random, KEYS)
  const config = machine.config(ns, key)
  const exists = random(2) === 0
  return pick<Condition>(random, [
    { type: 'config_version', key, version: config?.version ?? 0 },
    { type: 'config_version', key, version: random(3) },
    { type: 'config_value', key, value: config?.value ?? utf8('') },
    { type: 'lock', ...randomFence(random, machine, ns) },
    { type: 'instance', service: 'web', id: 'a', exists },
    { type: 'lease', id: 'l-1', exists },
  ])
}

/** A command in one, two or three others. Keys meet again, with the same request or another. */
export function randomWrapped(random: Random, machine: StateMachine): Command {
  const plain = random(2) === 0 ? randomTxn(random, machine) : clientCommand(random, machine)
  const ns = pick(random, NAMESPACES)
  const guards = {
    fences: random(4) === 0 ? [randomFence(random, machine, ns)] : [],
    schemas:
      random(2) === 0 ? [{ key: pick(random, KEYS), revision: pick(random, [null, 3]) }] : [],
  }
  const guarded: Command =
    random(3) === 0 ? { type: 'guarded', ns, ...guards, command: plain } : plain
  if (random(4) === 0) return guarded
  return {
    type: 'keyed',
    caller: pick(random, ['', 'ann']),
    key: `k${random(8)}`,
    requestHash: new Uint8Array(32).fill(random(3)),
    command: guarded,
  }
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random(values.length)] as T
}
