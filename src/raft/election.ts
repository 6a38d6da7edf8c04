/** Campaigns and votes (Raft §5.2, §5.4.1; pre-vote and stickiness: Thesis §4.2.3, §9.6). */
import { assert } from '../lib/assert.ts'
import type { Core } from './core.ts'
import { lead } from './leader.ts'
import { isVoter } from './membership.ts'
import { tally } from './quorum.ts'
import type { VoteRequest, VoteResponse } from './types.ts'

/** The election timeout passed: ask whether a campaign could be won, before raising the term. */
export function campaign(core: Core): void {
  if (!core.mayCampaign) {
    // Empty, fenced, a learner, a witness, or a stranger under an old name: what it stops doing is
    // to name a leader that has fallen silent, to clients and to whoever asks if it is ready.
    core.becomeFollower(null)
    return
  }
  core.becomeCandidate('pre_candidate', false)
  requestVotes(core, { preVote: true, transfer: false })
}

/** The pre-vote was won, or the leader asked for it: campaign in the next term. */
function campaignForReal(core: Core, transfer: boolean): void {
  core.enterTerm(core.term + 1)
  core.becomeCandidate('candidate', transfer)
  core.voteFor(core.config.id)
  requestVotes(core, { preVote: false, transfer })
}

/** The leader of this term hands over to us (Thesis §3.10). */
export function onTimeoutNow(core: Core): void {
  if (core.role === 'follower' && core.isVoter && core.mayCampaign) campaignForReal(core, true)
}

function requestVotes(
  core: Core,
  { preVote, transfer }: { readonly preVote: boolean; readonly transfer: boolean },
): void {
  if (preVote) core.votes.set(core.config.id, true) // A vote counts once it is durable.
  const { membership, log } = core
  assert(membership !== null, 'a candidate has a membership')
  for (const { id } of membership.members) {
    if (id === core.config.id || !isVoter(membership, id)) continue
    const envelope = core.envelope(id)
    core.outbox.send({
      ...envelope,
      type: 'vote_request',
      preVote,
      term: preVote ? envelope.term + 1 : envelope.term,
      lastTerm: log.lastTerm,
      lastIndex: log.last,
      transfer,
    })
  }
  count(core) // The only voter has won the pre-vote by now.
}

/** A write is done: where it was our own vote, that counts from now on, alone if need be. */
export function onVotePersisted(core: Core): void {
  assert(core.role === 'candidate', 'a vote of its own has a candidate')
  if (core.votes.has(core.config.id) || !core.outbox.isHardStateDurable) return
  core.votes.set(core.config.id, true)
  count(core)
}

/**
 * Judges a request. Its term is ours by now, or, for a pre-vote, at least ours + 0: `raft.ts`
 * has seen to terms, and to requests inside a promise.
 */
export function onVoteRequest(core: Core, request: VoteRequest): void {
  const granted = request.preVote ? deservesPreVote(core, request) : deservesVote(core, request)
  if (granted && !request.preVote) {
    core.voteFor(request.from)
    core.becomeFollower(null) // Also a pre-candidate: it would campaign against its own vote.
  }
  core.outbox.send({
    ...core.envelope(request.from),
    type: 'vote_response',
    preVote: request.preVote,
    granted,
    // A granted pre-vote names the term that was asked for; a refusal tells ours.
    term: granted ? request.term : core.term,
  })
}

function deservesVote(core: Core, request: VoteRequest): boolean {
  assert(request.term === core.term, 'a vote is cast in its own term')
  // A leader of this term exists: the vote stays where it went, restarts included.
  if (core.leader !== null) return false
  if (core.votedFor !== null && core.votedFor !== request.from) return false
  return core.log.isUpToDate({ term: request.lastTerm, index: request.lastIndex })
}

/** Granting one changes nothing here: neither the term nor any timer (hashicorp/raft 42d3446). */
function deservesPreVote(core: Core, request: VoteRequest): boolean {
  if (request.term <= core.term) return false
  return core.log.isUpToDate({ term: request.lastTerm, index: request.lastIndex })
}

export function onVoteResponse(core: Core, response: VoteResponse): void {
  const expected = response.preVote ? 'pre_candidate' : 'candidate'
  if (core.role !== expected || !core.isFromVoter(response)) return
  if (response.preVote && response.granted && response.term !== core.term + 1) return
  if (!core.votes.has(response.from)) core.votes.set(response.from, response.granted)
  count(core)
}

function count(core: Core): void {
  assert(core.membership !== null, 'a candidate has a membership')
  const result = tally(core.membership, core.votes)
  if (result === 'lost') core.becomeFollower(null)
  if (result !== 'won') return
  if (core.role === 'pre_candidate') campaignForReal(core, false)
  else lead(core)
}
