import type { Mutant } from './mutant.ts'

/** What can be got wrong about states that are wrong, and about versions. */
export const CUSTODY_MUTANTS: readonly Mutant[] = [
  {
    name: 'fence-ignored',
    source: 'a fenced node goes on to answer reads (etcd#13766; D1, scenario 36)',
    file: 'src/replica/reads.ts',
    find: "done(this.#host.isFenced() ? { ok: false, code: 'fenced' } : result)",
    replace: 'done(result)',
    more: [
      {
        file: 'src/replica/reads.ts',
        find: "    if (this.#host.isFenced()) return finish({ ok: false, code: 'fenced' })\n",
        replace: '',
      },
      {
        file: 'src/replica/reads.ts',
        find: "    if (this.#host.isFenced()) return { ok: false, code: 'fenced' }\n",
        replace: '',
      },
    ],
  },
  {
    name: 'verdict-ignored',
    source: 'a node does not compare its state with the verdict (etcd#13766; D1)',
    file: 'src/replica/custody/state-checks.ts',
    find: 'if (own === undefined || own.schema !== schema || own.hash === hash) return',
    replace: 'if (own === undefined || own.index > 0) return',
  },
  {
    name: 'fenced-leads',
    source: 'a node with a wrong state is elected (NATS#7549; scenario 36)',
    file: 'src/raft/core.ts',
    find: '    if (this.fenced) return false\n',
    replace: '',
  },
  {
    name: 'leader-is-right',
    source: 'the leader’s hash is the verdict, whatever the others have (decision 0004)',
    file: 'src/replica/custody/state-checks.ts',
    find: 'const verdict = verdictOf(membership, this.#reports)',
    replace: `const own = this.#notes.find((note) => note.index === first.index)
    const verdict = own ?? verdictOf(membership, this.#reports)`,
  },
  {
    name: 'check-at-batch-end',
    source: 'the hash of a check depends on where batches end (state/DESIGN.md)',
    file: 'src/state/context.ts',
    find: `    this.scopes.flush(this.topics)
    this.notes.push`,
    replace: '    this.notes.push',
  },
  {
    name: 'apply-differs',
    source: 'a row depends on who waits for it (DESIGN §1.2)',
    file: 'src/state/context.ts',
    find: '      updatedAtMs: this.wallMs,\n',
    replace: '      updatedAtMs: this.wanted ? this.wallMs : this.wallMs + 1,\n',
  },
  {
    name: 'repair-restarts-log',
    source: 'a state is replaced and the log that was acknowledged is dropped (scenario 47)',
    file: 'src/replica/custody/catch-up.ts',
    find: "isForCore ? 'restart' : 'keep'",
    replace: "isForCore || wanted.from !== '' ? 'restart' : 'keep'",
  },
  {
    name: 'version-of-the-present',
    source: 'the clusterVersion rises while a member is away (DESIGN §1.7)',
    file: 'src/replica/custody/versions.ts',
    find: 'if (peer === null) return `${id} is not connected, so nobody knows what it will run`',
    replace: 'if (peer === null) return null',
  },
  {
    name: 'unknown-command-skipped',
    source: 'an older program skips what it does not know (DESIGN §1.7)',
    file: 'src/replica/replica.ts',
    find: `      this.stop()
      this.ports.misplaced(error.message)
      return null`,
    replace: `      const outcomes = entries.map(() => null)
      return { outcomes, topics: [], leases: [], readyLocks: [], notes: [], membershipChanged: null }`,
  },
  {
    name: 'late-refusal-is-loss',
    source: 'a refusal that was overtaken is taken for a disk that lied',
    file: 'src/raft/progress.ts',
    find: 'rejected > this.#match || round <= this.matchRound ||',
    replace: 'rejected > this.#match || round < 0 ||',
  },
]
