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
    more: [
      {
        file: 'src/raft/core.ts',
        find: "assert(this.#votedFor === null || this.#votedFor === id, 'one vote a term (Raft §5.2)')",
        replace: '',
      },
    ],
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
    more: [
      {
        file: 'src/raft/election.ts',
        find: `  if (request.term <= core.term) return false
  return core.log.isUpToDate`,
        replace: `  if (request.term <= core.term) return false
  return true || core.log.isUpToDate`,
      },
    ],
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
  {
    name: 'term-not-persisted',
    source: 'a newer term is kept in memory alone (PySyncObj#202; scenario 6)',
    file: 'src/raft/core.ts',
    find: `    this.outbox.dropHeld()
    this.outbox.markHardState()`,
    replace: '    this.outbox.dropHeld()',
  },
  {
    name: 'promise-not-durable',
    source: 'the promise that a lease rests on is kept in memory alone (scenario 44)',
    file: 'src/raft/core.ts',
    find: `    this.#promiseMs = promiseMs
    this.outbox.markHardState()`,
    replace: '    this.#promiseMs = promiseMs',
  },
  {
    name: 'no-pre-vote',
    source: 'whoever hears no leader raises the term (Cloudflare 2020; scenario 8)',
    file: 'src/raft/election.ts',
    find: `  core.becomeCandidate('pre_candidate', false)
  requestVotes(core, { preVote: true, transfer: false })`,
    replace: '  campaignForReal(core, false)',
  },
  {
    name: 'pre-vote-inside-promise',
    source: 'a pre-vote is granted while the leader is heard (Thesis §4.2.3; scenario 8)',
    file: 'src/raft/raft.ts',
    find: "if (message.type === 'vote_request' && !mayHear(core, message.transfer)) return",
    replace:
      "if (message.type === 'vote_request' && !mayHear(core, message.transfer || message.preVote)) return",
  },
  {
    name: 'stale-pre-vote-counts',
    source: 'a pre-vote that was granted for another term counts (Thesis §9.6)',
    file: 'src/raft/election.ts',
    find: 'if (response.preVote && response.granted && response.term !== core.term + 1) return',
    replace: '',
  },
  {
    name: 'vote-by-length',
    source: 'the longer log wins, whatever its last term (Raft §5.4.1)',
    file: 'src/raft/log.ts',
    find: 'if (candidate.term !== lastTerm) return candidate.term > lastTerm',
    replace: 'if (candidate.term < 0) return candidate.term > lastTerm',
  },
  {
    name: 'half-elects',
    source: 'half of the voters elect (scenario 5)',
    file: 'src/raft/quorum.ts',
    find: 'const needed = (voters.length >> 1) + 1',
    replace: 'const needed = (voters.length + 1) >> 1',
  },
  {
    name: 'answer-of-newer-term-ignored',
    source: 'a leader overlooks the newer term in an answer (hashicorp/raft#666; scenarios 12, 41)',
    file: 'src/raft/raft.ts',
    find: "  if (message.type === 'vote_response') return !(message.preVote && message.granted)",
    replace: `  if (message.type === 'vote_response') return !(message.preVote && message.granted)
  if (message.type === 'append_response') return false`,
  },
]
