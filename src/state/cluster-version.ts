/**
 * Which behaviour of the state machine this program has (DESIGN §1.7). A cluster uses none that
 * a member lacks: `clusterVersion` is raised through the log, once every member reports it.
 *
 * | clusterVersion | brought |
 * | --- | --- |
 * | 1 | everything before it |
 * | 2 | `state_check` and `state_verdict`: state hashes are compared through the log |
 * | 3 | configuration history, stages and schemas, locks, transactions, idempotency keys |
 */

/** Of the sources as they stand. */
export const CLUSTER_VERSION_NEWEST = 3

/**
 * Put in by `build.ts`. Tests of rolling upgrades build the program of one step before from the
 * same sources: it really lacks what came later, and stops where it meets it.
 */
declare const ROLLCALL_BUILD_CLUSTER_VERSION: number | undefined

/** The newest behaviour this program has; a cluster beyond it needs a newer program. */
export const CLUSTER_VERSION_MAX =
  typeof ROLLCALL_BUILD_CLUSTER_VERSION === 'number'
    ? ROLLCALL_BUILD_CLUSTER_VERSION
    : CLUSTER_VERSION_NEWEST

/** Before the first entry that raises it. */
export const CLUSTER_VERSION_FIRST = 1
