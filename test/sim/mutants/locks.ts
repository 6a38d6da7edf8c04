import type { Mutant } from './mutant.ts'

/** Of locks, semaphores and elections. */
export const LOCK_MUTANTS: readonly Mutant[] = [
  {
    name: 'grant-to-the-dead',
    source: 'a permit goes to a waiter whose lease ends by the same entry (etcd 3.4.3; K2, G7)',
    file: 'src/state/locks/commands.ts',
    find: '  for (const waiter of context.tables.lockWaitersOfLease(lease)) removeWaiter(context, waiter)\n',
    replace: '',
  },
  {
    name: 'passed-on-too-early',
    source: 'what an entry frees is given on before all that it ends is gone (K2)',
    file: 'src/state/leases/commands.ts',
    find: '    else lapse(context, lease, instance)\n',
    replace: `    else lapse(context, lease, instance)
    grantFreed(context)
`,
  },
  {
    name: 'two-permits-per-entry',
    source: 'an entry grants every permit that is free, all with its one token (K1)',
    file: 'src/state/locks/lock.ts',
    find: `  return lock.held < lock.permits && lock.lastToken < context.revision`,
    replace: `  return lock.held < lock.permits && context.revision > 0`,
  },
  {
    name: 'token-of-the-place',
    source: 'the token is the place in the queue, which is older than others granted since (K1)',
    file: 'src/state/locks/lock.ts',
    find: '  const token = context.revision\n',
    replace: '  const token = place\n',
  },
  {
    name: 'waiter-overtakes',
    source: 'who asks while a permit is between two holders takes it before those who wait',
    file: 'src/state/locks/commands.ts',
    find: 'if (mayGrant(context, lock) && (lock === null || lock.waiting === 0)) {',
    replace: 'if (mayGrant(context, lock)) {',
    more: [
      {
        file: 'src/state/locks/lock.ts',
        find: "  assert(lock === null || lock.waiting === 0, 'nobody overtakes those who wait')\n",
        replace: '',
      },
    ],
  },
  {
    name: 'last-come-first-served',
    source: 'waiters are served from the end of the queue',
    file: 'src/state/tables/tables.ts',
    find: "'WHERE ns = ?1 AND name = ?2 ORDER BY place LIMIT 1'",
    replace: "'WHERE ns = ?1 AND name = ?2 ORDER BY place DESC LIMIT 1'",
  },
  {
    name: 'limit-changed-while-held',
    source: 'whoever asks with another limit sets it for those who hold (DESIGN §8)',
    file: 'src/state/locks/commands.ts',
    find: '  if (lock !== null && lock.permits !== limit) return otherLimit(context, lock, limit)\n',
    replace: '',
  },
  {
    name: 'fence-accepts-former-holder',
    source: 'a fence passes for any token that is not newer than the holder’s (K1)',
    file: 'src/state/tables/tables.ts',
    find: "'SELECT 1 FROM lock_grant WHERE ns = ?1 AND name = ?2 AND token = ?3'",
    replace: "'SELECT 1 FROM lock_grant WHERE ns = ?1 AND name = ?2 AND token >= ?3'",
  },
  {
    name: 'answer-before-renewal',
    source: 'a grant that was waited for is told from the node’s own state (G7; DESIGN §8)',
    file: 'src/replica/lock-acquire.ts',
    find: 'return grant === null ? this.#lost() : await this.#confirm(grant)',
    replace: 'return grant === null ? this.#lost() : await this.#granted(grant)',
  },
  {
    name: 'leader-behind-believed',
    source:
      'a leader that has not applied the grant yet is believed that there is none (DESIGN §5.1)',
    file: 'src/replica/lock-acquire.ts',
    find: 'if (answer.ok && this.#host.local.locks.grant(ns, name, token) === null) return false',
    replace: 'if (answer.ok && (ns !== name || token > 0)) return false',
  },
  {
    name: 'cancel-leaves-grant',
    source: 'a cancel that comes after the grant is answered as if it had come before',
    file: 'src/replica/lock-acquire.ts',
    find: "    if (result?.type === 'lock') return await this.#confirm(result.grant)\n",
    replace:
      "    if (result?.type === 'lock' && revision < 0) return await this.#confirm(result.grant)\n",
  },
  {
    name: 'not-granted-before-cancel',
    source: '"not granted" is said without giving the place up (DESIGN §8)',
    file: 'src/replica/lock-acquire.ts',
    find: '    const cancelled = await this.#cancel(place)\n',
    replace: `    void this.#cancel(place)
    const cancelled = this.#lost()
`,
  },
  {
    name: 'new-leader-forgets-waiters',
    source: 'what an entry left over is forgotten with the leader (DESIGN §8)',
    file: 'src/replica/desk.ts',
    find: '      this.#locks.start(this.#host.readyLocks())\n',
    replace: '',
    more: [
      {
        file: 'src/replica/desk.ts',
        find: '    this.#locks.noted(readyLocks)\n',
        replace: '    this.#locks.noted(readyLocks.slice(1))\n',
      },
    ],
  },
  {
    name: 'retry-answered-from-memory',
    source:
      'a retry with its key is told the grant that it once got, whether it still holds or not',
    file: 'src/replica/lock-acquire.ts',
    find: 'return isKeyed ? await this.#confirm(result.grant) : this.#granted(result.grant)',
    replace: 'return this.#granted(result.grant)',
  },
]
