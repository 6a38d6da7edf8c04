import { decodeMembership } from '../raft/mod.ts'
import type { Clock, InitialState, MembershipAt } from '../raft/mod.ts'
import type { StateMachine } from '../state/mod.ts'
import type { Wal } from '../storage/mod.ts'

/**
 * What the core starts from: the log as it was recovered, and how far the database has applied it.
 * Memberships come from both, the database's first: what the log says behind it is not applied yet,
 * and in force all the same (Raft §6).
 */
export function initialState(
  state: StateMachine,
  { recovered, storedLog }: Pick<Wal, 'recovered' | 'storedLog'>,
  clock: Clock,
): InitialState {
  const memberships: MembershipAt[] = []
  if (state.membershipBytes !== null) {
    const membership = decodeMembership(state.membershipBytes)
    memberships.push({ index: state.membershipIndex, membership })
  }
  for (const { index, data } of recovered.memberships) {
    if (index > state.membershipIndex) {
      memberships.push({ index, membership: decodeMembership(data) })
    }
  }
  return {
    hardState: recovered.hardState,
    log: storedLog,
    applied: state.appliedIndex,
    clusterMs: state.clusterMs,
    memberships,
    clock,
  }
}
