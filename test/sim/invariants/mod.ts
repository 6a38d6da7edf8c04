/** All invariants that are looked at after every step (RELIABILITY §2.0). */
import type { Invariant, Scene } from '../observer.ts'
import { CheckQuorum } from './check-quorum.ts'
import {
  CommitRule,
  DurableOnQuorum,
  LeaderCompleteness,
  StateMachineSafety,
} from './commit-safety.ts'
import { DurableSpeech, MonotonicTerm, OneVoteATerm } from './durable-speech.ts'
import { ElectedByMajority, ElectionSafety } from './election-safety.ts'
import { LeaseExclusive } from './leader-lease.ts'
import { LogMatching } from './log-matching.ts'
import { PreVoteFirst, PromiseKept } from './promises-to-leaders.ts'
import { EqualStateHash } from './state-hash.ts'
import { WitnessesComeLast } from './witnesses.ts'

export function allInvariants(scene: Scene): Invariant[] {
  const log = new LogMatching(scene)
  return [
    log,
    new ElectionSafety(scene),
    new ElectedByMajority(),
    new StateMachineSafety(scene, log),
    new CommitRule(),
    new DurableOnQuorum(scene),
    new LeaderCompleteness(scene),
    new DurableSpeech(scene),
    new OneVoteATerm(),
    new MonotonicTerm(),
    new PromiseKept(scene),
    new PreVoteFirst(),
    new CheckQuorum(scene),
    new LeaseExclusive(scene),
    new EqualStateHash(scene),
    new WitnessesComeLast(scene),
  ]
}
