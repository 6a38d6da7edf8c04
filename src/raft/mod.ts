/**
 * Raft consensus as a pure state machine.
 *
 * This folder decides; it never acts. It opens no file and no socket, reads no clock and draws no
 * random number of its own. `Raft.step()` takes an {@link Input}; `Raft.takeReady()` returns what
 * the host must write, send, apply and answer. The same inputs always give the same outputs, so
 * `test/sim` can run years of failures from one seed.
 *
 * Read `types.ts`, `raft.ts` (rules every role obeys), `core.ts` (the state), then the roles:
 * `election.ts`, `follower.ts`, `leader.ts`. `quorum.ts`, `progress.ts`, `lease.ts`, `log.ts`,
 * `transfer.ts`, `witness.ts` (over `pace.ts`), `membership.ts`, `membership-change.ts`,
 * `reconfigure.ts` and `outbox.ts` (persist before you speak) stand alone.
 *
 * Sources, cited by section: "Raft §n" is Ongaro and Ousterhout, USENIX ATC 2014, extended
 * version; "Thesis §n" is Ongaro, Stanford 2014. Where we differ, the comment begins "Deviation:".
 *
 * Invariants held on every node, checked in `test/sim`:
 * 1. compacted ≤ applied ≤ committed ≤ last, and applied ≤ persisted.
 * 2. A term and a vote never regress, restarts included.
 * 3. Two logs that hold the same (term, index) are equal up to that index (Raft §5.3).
 *
 * @module
 */
export { raftConfig, LAN } from './config.ts'
export type { RaftConfig } from './config.ts'
export type { InitialState } from './core.ts'
export { decodeEntries, encodeEntries, encodeEntriesInto } from './entry-codec.ts'
export { entryBytes, EntryCodecError } from './entry-codec.ts'
export { goalOf, sameIds, sortedById } from './membership-change.ts'
export type { StoredLog, TermRun } from './log.ts'
export { decodeMembership, encodeMembership, hasDataVoter } from './membership.ts'
export { isVoter, memberOf } from './membership.ts'
export type { MembershipAt } from './membership.ts'
export { isMajority } from './quorum.ts'
export { Raft } from './raft.ts'
export type { PeerProgress } from './raft.ts'
export type { DataCopies } from './witness.ts'
export type * from './types.ts'
