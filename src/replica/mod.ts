/**
 * One node at run time. The core decides (`raft/`), this acts: it takes inputs in turns, writes,
 * sends, applies and answers over ports, so that the simulator runs the production loop.
 *
 * Read `replica.ts` (the loop), `desk.ts` (what a leader does for others), `leader-calls.ts`
 * (questions that only the leader can answer), `reads.ts` (the three consistencies), `liveness.ts`
 * with `deadlines.ts` (heartbeats and expiry), `waits.ts` (long polls), `lock-acquire.ts` (one
 * request for a lock, from the proposal to the answer). `gateway.ts` gives the edge promises.
 *
 * `members/` says who belongs to the cluster, from its founding on; `peers/` talks to them;
 * `custody/` keeps the state: whether it can be trusted, how it is trimmed, how a node that lacks
 * it gets it; `watch/` tells whoever watches what happened, `watch/hub.ts` first.
 *
 * @module
 */
export { REPLICA_DEFAULTS } from './config.ts'
export type { ReplicaConfig } from './config.ts'
export { foundingList } from './members/founding.ts'
export type { FoundingMember } from './members/founding.ts'
export { Gateway } from './gateway.ts'
export type { GatewayOptions } from './gateway.ts'
export { initialState } from './initial.ts'
export { membersOf } from './members/member-events.ts'
export { acquireLock } from './lock-acquire.ts'
export type { LockHost } from './lock-acquire.ts'
export type { LogPort, MeshPort, PeerLink, ReplicaPorts } from './ports.ts'
export { Replica } from './replica.ts'
export type { ReplicaOptions } from './replica.ts'
export type * from './watch/watch.ts'
