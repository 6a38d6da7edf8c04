import type { Mutant } from './mutant.ts'

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  {
    name: 'config-before-noop',
    source: 'the members change before the term has committed anything (Ongaro 2015; scenario 53)',
    file: 'src/raft/reconfigure.ts',
    find: "  if (!hasCommittedInTerm(core)) return void refuse('term_not_committed')\n",
    replace: '',
    more: [
      {
        file: 'src/raft/reconfigure.ts',
        find: "  assert(hasCommittedInTerm(core), 'a membership follows a commit of its term')\n",
        replace: '',
      },
      {
        file: 'src/replica/members/members.ts',
        find: "if (!raft.hasCommittedInTerm) return 'the leader has not committed anything in its term yet'",
        replace: '',
      },
    ],
  },
  {
    name: 'second-change-uncommitted',
    source: 'another change before the last one is committed (scenario 54)',
    file: 'src/raft/reconfigure.ts',
    find: '  const isPending = core.memberships.index > core.log.committed\n',
    replace: '  const isPending = core.memberships.index > Infinity\n',
    more: [
      {
        file: 'src/raft/reconfigure.ts',
        find: "  assert(core.memberships.index <= core.log.committed, 'one uncommitted membership at a time')\n",
        replace: '',
      },
      {
        file: 'src/replica/members/members.ts',
        find: 'if (this.#pending !== null || raft.membershipIndex > raft.committed) {',
        replace: 'if (this.#pending !== null) {',
      },
    ],
  },
  {
    name: 'joint-left-early',
    source: 'the joint configuration is left before it is committed (Raft §6; scenario 55)',
    file: 'src/raft/reconfigure.ts',
    find: 'if (!hasCommittedInTerm(core) || memberships.index > log.committed) return',
    replace: 'if (!hasCommittedInTerm(core) || memberships.index > Infinity) return',
    more: [
      {
        file: 'src/raft/reconfigure.ts',
        find: "  assert(core.memberships.index <= core.log.committed, 'one uncommitted membership at a time')\n",
        replace: '',
      },
    ],
  },
  {
    name: 'joint-skipped',
    source: 'the old voters hand over to the new ones in one step (Raft §6; scenario 55)',
    file: 'src/raft/membership-change.ts',
    find: 'if (sameIds(current.voters, target.voters)) return normal({ ...target, outgoing: null })',
    replace: 'if (target.voters.length > 0) return normal({ ...target, outgoing: null })',
  },
  {
    name: 'joint-abandoned',
    source: 'only who began a change goes on with it (Raft §6; scenario 55)',
    file: 'src/raft/reconfigure.ts',
    find: '  if (membership.outgoing !== null) {\n',
    replace: `  if (membership.outgoing !== null) {
    if (log.termAt(memberships.index) !== core.term) return
`,
  },
  {
    name: 'joint-elects-by-new-alone',
    source: 'while joint the new voters elect by themselves (scenario 55)',
    file: 'src/raft/quorum.ts',
    find: 'if (membership.outgoing === null) return incoming\n  const outgoing = tallyMajority',
    replace: 'if (membership.voters.length > 0) return incoming\n  const outgoing = tallyMajority',
    more: [
      {
        file: 'src/raft/quorum.ts',
        find: 'const outgoing = tallyMajority(membership.outgoing, votes)',
        replace: 'const outgoing = tallyMajority(membership.outgoing ?? [], votes)',
      },
    ],
  },
  {
    name: 'joint-commits-by-new-alone',
    source: 'while joint the new voters commit by themselves (scenario 55)',
    file: 'src/raft/quorum.ts',
    find: 'return Math.min(incoming, majorityReached(outgoing, heard))',
    replace: 'return Math.max(incoming, heard(outgoing[0] ?? "") * 0 || -Infinity)',
  },
  {
    name: 'membership-when-committed',
    source: 'a membership is in force once it is committed, not from its append on (scenario 54)',
    file: 'src/raft/membership.ts',
    find: 'return this.#stack.at(-1)?.membership ?? null',
    replace: 'return this.#stack.at(0)?.membership ?? null',
  },
  {
    name: 'membership-not-truncated',
    source: 'a membership stays in force when its entry is overwritten (Raft §6; scenario 54)',
    file: 'src/raft/membership.ts',
    find: 'while (this.index >= index && this.#stack.length > 0) this.#stack.pop()',
    replace: 'while (this.index >= index && this.#stack.length > 99) this.#stack.pop()',
    more: [
      {
        file: 'src/raft/membership.ts',
        find: "    assert(at.index > this.index, 'a newer membership stands later in the log')\n",
        replace: '',
      },
    ],
  },
  {
    name: 'learner-counts',
    source: 'what learners hold counts for a majority (scenarios 5, 39)',
    file: 'src/raft/quorum.ts',
    find: 'const incoming = majorityReached(membership.voters, reached)',
    replace:
      'const incoming = majorityReached([...membership.voters, ...membership.learners], reached)',
  },
  {
    name: 'learner-refuses-vote',
    source: 'who believes itself a learner refuses its vote (etcd#10998; scenario 14)',
    file: 'src/raft/election.ts',
    find: '  if (core.leader !== null) return false\n',
    replace: `  if (core.leader !== null) return false
  if (core.membership?.learners.includes(core.config.id)) return false
`,
  },
  {
    name: 'learner-campaigns',
    source: 'a learner stands for election (scenario 14)',
    file: 'src/raft/core.ts',
    find: `        isVoter(membership, id) && memberOf(membership, id)?.incarnation === incarnation,`,
    replace: `        memberOf(membership, id)?.incarnation === incarnation,`,
  },
  {
    name: 'promoted-unheard',
    source: 'a learner is made a voter before it has answered (etcd#15096; scenario 57)',
    file: 'src/replica/members/members.ts',
    find: 'if (match === 0 || !this.isReachable(id)) {',
    replace: 'if (match < 0) {',
  },
  {
    name: 'removed-leader-stays',
    source: 'a leader that was removed goes on leading (scenario 56)',
    file: 'src/raft/reconfigure.ts',
    find: '} else if (!isVoter(membership, config.id) && !beginTransfer(core)) {',
    replace: '} else if (membership.voters.length === 0) {',
    more: [
      {
        file: 'src/raft/reconfigure.ts',
        find: 'const stays = membership.voters.includes(config.id)',
        replace: 'const stays = isVoter(membership, config.id)',
      },
    ],
  },
  {
    name: 'amnesiac-votes',
    source: 'a voter that lost its disk votes under its old name (scenario 37)',
    file: 'src/raft/core.ts',
    find: `    if (membership === null || !isVoter(membership, message.from)) return false
    return memberOf(membership, message.from)?.incarnation === message.incarnation`,
    replace: `    return membership !== null && isVoter(membership, message.from)`,
    more: [
      {
        file: 'src/replica/peers/peers.ts',
        find: 'return known !== null && known.incarnation !== peer.incarnation',
        replace: 'return known === undefined',
      },
    ],
  },
  {
    name: 'amnesiac-counts',
    source: 'what a voter acknowledges that lost its disk counts as before (scenario 37)',
    file: 'src/raft/core.ts',
    find: 'return member?.incarnation === incarnation',
    replace: 'return member !== undefined || incarnation === null',
    more: [
      {
        file: 'src/replica/peers/peers.ts',
        find: 'return known !== null && known.incarnation !== peer.incarnation',
        replace: 'return known === undefined',
      },
    ],
  },
  {
    name: 'sent-to-replacement',
    source: 'a node that lost its disk is sent the snapshot that its predecessor needs (DESIGN §7)',
    file: 'src/replica/peers/peers.ts',
    find: 'return known !== null && known.incarnation !== peer.incarnation',
    replace: 'return known === undefined',
  },
  {
    name: 'sent-before-named',
    source:
      'a newcomer is given the log by a leader that nobody else knows to have taken it in (DESIGN §7)',
    file: 'src/raft/leader.ts',
    find: '    if (isTentative(core, id)) continue\n',
    replace: '',
  },
]
