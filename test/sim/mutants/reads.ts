import type { Mutant } from './mutant.ts'

export const READ_MUTANTS: readonly Mutant[] = [
  {
    name: 'lease-from-ack-time',
    source: 'the lease begins when the acknowledgement comes, not at the sending (scenario 42)',
    file: 'src/raft/lease.ts',
    find: 'prove(round: Round): void {',
    replace: 'prove(round: Round, ackedAt: Clock): void {',
    more: [
      {
        file: 'src/raft/lease.ts',
        find: 'this.#proved = this.#sent[reached] as SentRound',
        replace: 'this.#proved = { ...(this.#sent[reached] as SentRound), sent: { ...ackedAt } }',
      },
      {
        file: 'src/raft/leader.ts',
        find: 'leadership.lease.prove(proved)',
        replace: 'leadership.lease.prove(proved, core.clock)',
      },
    ],
  },
  {
    name: 'lease-without-drift',
    source: 'the lease is as long as the promise, whatever the clocks do (scenario 42)',
    file: 'src/raft/lease.ts',
    find: 'this.#lengthMs = (promiseMs * (1 - clockDrift)) / (1 + clockDrift)',
    replace: 'this.#lengthMs = promiseMs * (1 + clockDrift * 0)',
  },
  {
    name: 'lease-after-pause',
    source: 'a suspended machine goes on with its lease (DESIGN §6)',
    file: 'src/raft/lease.ts',
    find: 'if (Math.abs(wallPassedMs - passedMs) > PAUSE_MS) return 0',
    replace: '',
    more: [
      {
        file: 'src/raft/lease.ts',
        find: 'return this.#lengthMs - Math.max(passedMs, wallPassedMs)',
        replace: 'return this.#lengthMs - passedMs',
      },
    ],
  },
  {
    name: 'read-before-noop',
    source: 'reads are answered before the term has committed anything (etcd#7331; scenario 38)',
    file: 'src/raft/leader.ts',
    find: 'return core.leadership !== null && core.log.committed >= core.leadership.noop',
    replace: 'return core.leadership !== null',
  },
  {
    name: 'read-without-round',
    source: 'ReadIndex trusts a round that was sent before the read came (scenario 39)',
    file: 'src/raft/leader.ts',
    find: 'const round = leadership.lease.lastRound + 1',
    replace: 'const round = Math.max(1, leadership.lease.provedRound)',
  },
  {
    name: 'read-not-waiting-for-apply',
    source: 'a follower answers at what it has, not at the index it was told (Thesis §6.4)',
    file: 'src/replica/reads.ts',
    find: 'const index = Math.max(confirmed.index, request.minRevision)',
    replace: 'const index = Math.max(0, request.minRevision)',
  },
  {
    name: 'answer-on-another-link',
    source:
      'the answer to a process that is gone reaches its successor, which counts its calls anew',
    file: 'src/replica/peers/requests.ts',
    find: 'if (this.#host.linkOf(from) !== link) return',
    replace: "if (this.#host.linkOf(from)?.peer.id === '') return",
  },
  {
    name: 'read-joins-older-question',
    source: 'a read takes the answer to a question that was asked before it came (scenario 39)',
    file: 'src/replica/reads.ts',
    find: `    this.#batches.delete(mode) // Whoever comes now needs a question of its own.
    this.#host.calls.ask({ type: 'read_index', mode }, batch.deadlineMs, (result) => {`,
    replace: `    this.#host.calls.ask({ type: 'read_index', mode }, batch.deadlineMs, (result) => {
      this.#batches.delete(mode)`,
  },
  {
    name: 'lease-kept-in-transfer',
    source: 'the lease lives on while another is told to take over (openraft#1749; scenario 43)',
    file: 'src/raft/leader.ts',
    find: 'if (leadership.transfer !== null) return 0',
    replace: '',
  },
  {
    name: 'min-revision-ignored',
    source: 'a stale read is answered from before what its client has seen (promise R3)',
    file: 'src/replica/reads.ts',
    find: 'this.#whenApplied(request.minRevision, request.deadlineMs, (reached) => {',
    replace: 'this.#whenApplied(0, request.deadlineMs, (reached) => {',
    more: [
      {
        file: 'src/replica/reads.ts',
        find: '    if (state.revision < request.minRevision) return null\n',
        replace: '',
      },
    ],
  },
  {
    name: 'follower-trusts-own-commit',
    source: 'a follower asks nobody: its own commit index will do (Thesis §6.4)',
    file: 'src/replica/reads.ts',
    find: '    this.#confirm(mode, request.deadlineMs, (confirmed) => {',
    replace: `    const own = { index: this.#host.raft.committed, mode }
    const now = (_: string, __: number, then: Confirmed): void => then(own)
    now(mode, request.deadlineMs, (confirmed) => {`,
  },
  {
    name: 'staleness-by-arrival',
    source: 'what waited in a queue counts from when it came (DESIGN §6, "stale")',
    file: 'src/raft/follower.ts',
    find: 'const at = freshness.dated(append)',
    replace: 'const at = { ...clock }',
  },
  {
    name: 'staleness-by-one-clock',
    source: 'a suspended machine does not know how old its state is (DESIGN §6, "stale")',
    file: 'src/raft/freshness.ts',
    find: 'return Math.max(0, now.nowMs - at.nowMs, now.wallMs - at.wallMs)',
    replace: 'return Math.max(0, now.nowMs - at.nowMs)',
  },
  {
    name: 'staleness-before-noop',
    source: 'a new leader vouches for a commit index that may be old (DESIGN §6, "stale")',
    file: 'src/raft/leader.ts',
    find: `  if (!hasCommittedInTerm(core)) return null
  return isAlone(core) ? core.clock`,
    replace: '  return isAlone(core) ? core.clock',
  },
  {
    name: 'hot-row-kept',
    source: 'a key that was read before is answered as it was (state/hot-rows.ts)',
    file: 'src/state/hot-rows.ts',
    find: "      if (topic.startsWith('config/')) this.#configs.delete(`${ns}/${topic}`)\n      else if",
    replace: '      if',
  },
  {
    name: 'view-not-caught-up',
    source:
      'a look-up misses the instances that changed since the last (state/services/service-views.ts)',
    file: 'src/state/services/service-views.ts',
    find: 'if (slash >= 0) kept.changed.add(topic.slice(slash + 1))',
    replace: '',
  },
]
