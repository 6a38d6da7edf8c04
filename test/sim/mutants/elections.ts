import type { Mutant } from './mutant.ts'

export const ELECTION_MUTANTS: readonly Mutant[] = [
  {
    name: 'vote-not-persisted',
    source: 'the vote is kept in memory alone (TiKV #1610 risk; scenario 2)',
    file: 'src/raft/core.ts',
    find: `    this.#votedFor = id
    this.outbox.markHardState()`,
    replace: `    this.#votedFor = id`,
  },
  {
    name: 'vote-before-fsync',
    source: 'a vote leaves while its write is under way (scenario 2)',
    file: 'src/raft/outbox.ts',
    find: 'this.#hold(this.#hardStateDirty ? this.#lastWrite + 1 : this.#hardStateWrite, message)',
    replace: 'this.#hold(0, message)',
  },
  {
    name: 'vote-cleared-in-term',
    source: 'votedFor forgotten when a leader is discovered (camunda #5356; scenario 4)',
    file: 'src/raft/election.ts',
    find: 'if (core.votedFor !== null && core.votedFor !== request.from) return false',
    replace: 'if (core.votedFor === core.config.id && core.votedFor !== request.from) return false',
  },
  {
    name: 'old-term-vote',
    source: 'a late vote of an older term counts (Xraft#33; scenario 5)',
    file: 'src/raft/raft.ts',
    find: 'if (message.term < core.term) return onOldTerm(core, message)',
    replace:
      "if (message.term < core.term && message.type !== 'vote_response') return onOldTerm(core, message)",
  },
  {
    name: 'vote-without-log-check',
    source: 'a voter does not compare logs (Raft §5.4.1)',
    file: 'src/raft/election.ts',
    find: `  if (core.votedFor !== null && core.votedFor !== request.from) return false
  return core.log.isUpToDate`,
    replace: `  if (core.votedFor !== null && core.votedFor !== request.from) return false
  return true || core.log.isUpToDate`,
  },
  {
    name: 'vote-inside-promise',
    source: 'a voter forgets what it promised the leader it heard (DESIGN §6)',
    file: 'src/raft/raft.ts',
    find: "return transfer || (!core.refusesVotes && core.role !== 'leader')",
    replace: "return transfer || core.role !== 'leader'",
  },
  {
    name: 'promise-forgotten-at-boot',
    source: 'a voter that restarts votes at once (scenario 44)',
    file: 'src/raft/core.ts',
    find: 'this.#refuseUntilMs = initial.clock.nowMs + this.#promiseMs',
    replace: 'this.#refuseUntilMs = initial.clock.nowMs',
  },
  {
    name: 'no-check-quorum',
    source: 'a leader that nobody answers goes on (Cloudflare 2020; scenarios 9-11)',
    file: 'src/raft/leader.ts',
    find: 'return core.clock.nowMs - lastHeardMs < core.config.electionMaxMs',
    replace: 'return core.clock.nowMs - lastHeardMs < Infinity',
  },
]
