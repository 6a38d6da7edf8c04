/** Random commands about locks; most name what the machine really holds. */
import type { Random } from '../../src/lib/prng.ts'
import type { Fence, LockCommand, StateMachine } from '../../src/state/mod.ts'

export const LOCKS = ['job', 'jöb', '🦊']
const VALUES = [null, '', 'n1', 'a\0b']

export function randomLockCommand(random: Random, machine: StateMachine, ns: string): LockCommand {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T
  const name = pick(LOCKS)
  const lock = machine.locks.lock(ns, name, 100)
  const some = <T>(values: readonly T[]): T | undefined => values[random(values.length + 1)]
  const token = some(lock?.holders ?? [])?.token ?? 1 + random(machine.appliedIndex + 1)
  const place = some(lock?.waiters ?? [])?.place ?? token
  switch (random(8)) {
    case 0:
      return { type: 'lock_cancel', ns, name, place }
    case 1:
    case 2:
      return { type: 'lock_release', ns, name, token }
    case 3:
      return { type: 'lock_value', ns, name, token, value: pick(VALUES) }
    case 4:
      return { type: 'lock_grant', locks: [{ ns, name }, ...machine.locks.ready()] }
    default: {
      const lease = random(2) === 0 ? `l-${random(4)}` : null
      return {
        type: 'lock_acquire',
        ns,
        name,
        owner: pick(['me', 'a\0b', '']),
        ttlMs: lease === null ? 1 + random(9) : pick([null, null, 3]),
        lease,
        limit: lock !== null && random(5) > 0 ? lock.limit : 1 + random(3),
        value: pick(VALUES),
        waiterTtlMs: pick([null, 1, 9, 9]),
      }
    }
  }
}

/** A lock with the token of a holder, where it has one, or of nobody. */
export function randomFence(random: Random, machine: StateMachine, ns: string): Fence {
  const name = LOCKS[random(LOCKS.length)] as string
  const [holder] = machine.locks.lock(ns, name, 1)?.holders ?? []
  return { name, token: random(3) === 0 ? 1 + random(9) : (holder?.token ?? 1) }
}
