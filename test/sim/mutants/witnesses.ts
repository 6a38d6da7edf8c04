import type { Mutant } from './mutant.ts'

export const WITNESS_MUTANTS: readonly Mutant[] = [
  {
    name: 'witness-votes-ignoring-log',
    source: 'a witness, without data, votes for anybody (scenario 59)',
    file: 'src/raft/election.ts',
    find: `function deservesVote(core: Core, request: VoteRequest): boolean {
  assert(request.term === core.term, 'a vote is cast in its own term')`,
    replace: `function deservesVote(core: Core, request: VoteRequest): boolean {
  assert(request.term === core.term, 'a vote is cast in its own term')
  if (core.config.witness && core.votedFor === null && core.leader === null) return true`,
    more: [
      {
        file: 'src/raft/election.ts',
        find: `  if (request.term <= core.term) return false`,
        replace: `  if (request.term <= core.term) return false
  if (core.config.witness) return true`,
      },
    ],
  },
  {
    name: 'witness-sent-everything',
    source: 'entries go to witnesses as to everybody: commits rest on one copy (DESIGN §7)',
    file: 'src/raft/leader.ts',
    find: 'supply(core, witnessLimit(core), withhold)',
    replace: 'supply(core, core.log.last, withhold)',
  },
  {
    name: 'witness-ahead-of-leader',
    source: 'a witness is sent what its leader may still lose (scenario 59)',
    file: 'src/raft/witness.ts',
    find: 'let limit = core.log.persisted',
    replace: 'let limit = core.log.last',
  },
  {
    name: 'witness-campaigns',
    source: 'a witness stands for election like any voter (Thesis §11.7.2; scenario 14)',
    file: 'src/raft/core.ts',
    find: 'if (witness) return false',
    replace: 'if (witness && id === null) return false',
  },
  {
    name: 'witness-waits-for-the-dead',
    source: 'a data voter that is gone holds back what the witness is sent (DESIGN §7)',
    file: 'src/raft/witness.ts',
    find: 'if (pace.inStep) limit = Math.min(limit, match)',
    replace: 'limit = Math.min(limit, match)',
  },
  {
    name: 'witness-acks-what-it-lacks',
    source: 'a witness counts for what a heartbeat names, held or not (scenario 59)',
    file: 'src/raft/follower.ts',
    find: 'result: { ok: true, match: isHeartbeat ? Math.min(covered, log.persisted) : covered },',
    replace:
      'result: { ok: true, match: core.config.witness ? Math.max(covered, append.commit) : isHeartbeat ? Math.min(covered, log.persisted) : covered },',
  },
]
