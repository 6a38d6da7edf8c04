/** All invariants that are looked at after every step (RELIABILITY §2.0). */
import type { Invariant, Scene } from '../observer.ts'
import { CheckQuorum } from './check-quorum.ts'
import {
  CommitRule,
  DurableOnQuorum,
  LeaderCompleteness,
  StateMachineSafety,
} from './commit-safety.ts'
import { Configurations } from './configurations.ts'
import { RightStateIsTrusted, VersionsRiseTogether, WrongStateLeadsNobody } from './custody.ts'
import { DurableSpeech, MonotonicTerm, OneVoteATerm } from './durable-speech.ts'
import { ElectedByMajority, ElectionSafety } from './election-safety.ts'
import { LeaseExclusive } from './leader-lease.ts'
import { LogMatching } from './log-matching.ts'
import {
  InForceFromAppend,
  OneChangeAtATime,
  OnlyVotersCampaign,
  PromotedWhenCaughtUp,
  RemovedLeaderGoes,
  VotesNotWithheld,
} from './membership-rules.ts'
import { PreVoteFirst, PromiseKept } from './promises-to-leaders.ts'
import { EqualStateHash } from './state-hash.ts'
import { OnlyAppliedLeaves, SilentAfterFailedSync } from './storage.ts'
import { WitnessesComeLast } from './witnesses.ts'

export function allInvariants(scene: Scene): Invariant[] {
  const log = new LogMatching(scene)
  const configurations = new Configurations(log, scene.history)
  return [
    log,
    new OneChangeAtATime(configurations),
    new PromotedWhenCaughtUp(configurations),
    configurations, // After those who compare what is written with what was before it.
    new InForceFromAppend(configurations),
    new OnlyVotersCampaign(configurations),
    new RemovedLeaderGoes(scene, configurations),
    new VotesNotWithheld(),
    new ElectionSafety(scene),
    new ElectedByMajority(configurations),
    new StateMachineSafety(scene, log),
    new CommitRule(),
    new DurableOnQuorum(scene, configurations),
    new LeaderCompleteness(scene),
    new DurableSpeech(scene),
    new OneVoteATerm(),
    new MonotonicTerm(),
    new PromiseKept(scene),
    new PreVoteFirst(configurations),
    new CheckQuorum(scene, configurations),
    new SilentAfterFailedSync(),
    new OnlyAppliedLeaves(scene),
    new LeaseExclusive(scene),
    new EqualStateHash(scene),
    new WrongStateLeadsNobody(),
    new RightStateIsTrusted(scene),
    new VersionsRiseTogether(scene),
    new WitnessesComeLast(scene),
  ]
}
