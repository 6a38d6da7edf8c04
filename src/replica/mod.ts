/**
 * One node at run time. The core decides (`raft/`), this acts: it takes inputs in turns, writes,
 * sends, applies and answers over ports, so that the simulator runs the production loop.
 *
 * Read `replica.ts` (the loop), `desk.ts` (what a leader does for others), `leader-calls.ts`
 * (questions that only the leader can answer), `reads.ts` (the three consistencies),
 * `watch-hub.ts` (who is told what happens), `liveness.ts` with `deadlines.ts` (heartbeats and expiry), `waits.ts` (long polls),
 * `lock-acquire.ts` (one request for a lock, from the proposal to the answer),
 * `founding.ts` (how a cluster begins), `custody.ts` (whether the state can be trusted).
 * `gateway.ts` gives the edge promises.
 *
 * @module
 */
export { REPLICA_DEFAULTS } from './config.ts'
export type { ReplicaConfig } from './config.ts'
export { foundingList } from './founding.ts'
export type { FoundingMember } from './founding.ts'
export { Gateway } from './gateway.ts'
export type { GatewayOptions } from './gateway.ts'
export { initialState } from './initial.ts'
export { membersOf } from './member-events.ts'
export { acquireLock } from './lock-acquire.ts'
export type { LockHost } from './lock-acquire.ts'
export type { LogPort, MeshPort, PeerLink, ReplicaPorts } from './ports.ts'
export { Replica } from './replica.ts'
export type { ReplicaOptions } from './replica.ts'
export type * from './watch.ts'
