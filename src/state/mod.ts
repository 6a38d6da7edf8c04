/**
 * The replicated state machine: committed entries in, SQL rows and outcomes out.
 *
 * This folder is deterministic: the same entries give the same rows on every node and on every
 * SQLite driver, whatever the batches they came in. It looks at nothing outside the log: ids and
 * chance were put into the command before it was proposed, time is the entry's `clusterMs`, and
 * wall time is stored for display only (DESIGN §1.2).
 *
 * Read `command.ts` (what can be asked), `tables/schema.ts` (what is stored), `machine.ts` (a
 * batch), then one resource: `config/config.ts` is the shortest way through. `DESIGN.md` has the
 * reasons.
 *
 * This folder holds how any entry is applied, and the commands that hold others (`keyed.ts`,
 * `guarded.ts`, `txn.ts`). `codec/` makes them bytes, `tables/` keeps rows, `events/` says what
 * happened, and the rest are the resources: `services/`, `config/`, `stages/`, `locks/`, `leases/`.
 *
 * Invariants, proved in `test/state`:
 * 1. Rows, outcomes and the state hash depend on the entries alone: not on the driver, not on
 *    batch boundaries, not on who waits for an outcome.
 * 2. The kept state hash is the hash of the rows (`recomputeHash`).
 * 3. The applied index in the database is that of its rows: one transaction holds both.
 * 4. The revision of a resource never goes backwards, also when its last row is gone.
 *
 * @module
 */
export { CLUSTER_VERSION_MAX } from './cluster-version.ts'
export { decodeCommand, encodeCommand, sinceClusterVersion, UnknownCommand } from './codec/codec.ts'
export { KEY_RULES } from './keyed.ts'
export { readConfigEvent, readInstanceEvent, readServiceEvent } from './events/bodies.ts'
export type { ConfigEvent, InstanceEvent, OverrideNote, ServiceEvent } from './events/bodies.ts'
export type { EventPage } from './events/queries.ts'
export { EVENT_KINDS, EVENT_VALUE_MAX, NO_NAMESPACE } from './events/event.ts'
export type { EventKind, StoredEvent } from './events/event.ts'
export { instanceLease, instanceOfLease } from './leases/lease.ts'
export { LOCK_LIMIT_MAX } from './locks/commands.ts'
export { placeTopic } from './locks/lock.ts'
export { readLockEvent } from './locks/event.ts'
export { leaseOfGrant, leaseOfWaiter } from './locks/lease.ts'
export { createPlace, examineState, readApplied, SchemaError } from './database.ts'
export { StateMachine } from './machine.ts'
export { decodeOutcome, encodeOutcome } from './codec/outcome-codec.ts'
export { MAP_ENTRIES_MAX } from './services/patch.ts'
export { foundAnew, revisionAfterLoss } from './recovered.ts'
export { SCHEMA_VERSION } from './tables/schema.ts'
export { stagedEvent } from './stages/stage.ts'
export { formatStageRule, IDENTITY_LABEL, isStagedFor, parseStageRule } from './stages/rule.ts'
export { effectiveStatus, isAvailable } from './services/view.ts'
export { InvalidCommand } from './codec/wire.ts'
export type * from './changes.ts'
export type * from './command.ts'
export type * from './locks/command.ts'
export type * from './locks/event.ts'
export type * from './locks/queries.ts'
export type * from './locks/rows.ts'
export type * from './outcome.ts'
export type { KeyRules } from './keyed.ts'
export type * from './reader.ts'
export type * from './rows.ts'
export type * from './tables/sql.ts'
export type { StagedEvent } from './stages/stage.ts'
export type { Labels, StageName, StageRule } from './stages/rule.ts'
