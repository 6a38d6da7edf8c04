/** The graceful end of a leader: somebody else leads before it goes. */
import { hasDataVoter, isMajority, type NodeId } from '../raft/mod.ts'
import type { Replica } from './replica.ts'

const HAND_OVER_LOOK_MS = 10

/**
 * Hands leadership over where this node leads (SIGTERM), and calls `done` once another leads,
 * nobody can, or `waitMs` have passed. Proposals of this node's clients go to the next leader
 * meanwhile.
 */
export function handOver(replica: Replica, waitMs: number, done: () => void): void {
  const { raft, ports } = replica
  const isAlone = (raft.membership?.voters.length ?? 1) === 1
  if (raft.role !== 'leader' || isAlone) return done()
  replica.enqueue({ type: 'transfer' })
  const endMs = ports.clock().nowMs + waitMs
  const look = (): void => {
    const { leader } = raft
    const over = leader !== null && leader !== replica.identity.id
    if (over || ports.clock().nowMs >= endMs || !canElect(replica)) return done()
    ports.setTimer(HAND_OVER_LOOK_MS, look)
  }
  look()
}

/** Whether the voters that are here, this node if it is one of them, could elect another. */
function canElect({ raft, ports, identity }: Replica): boolean {
  const { membership } = raft
  if (membership === null) return false
  const { voters } = membership
  const links = ports.mesh.peers().filter(({ connected }) => connected)
  const others = voters.filter((voter) => links.some(({ id }) => id === voter))
  const isHere = (id: NodeId): boolean => id === identity.id || others.includes(id)
  return isMajority(voters, isHere) && hasDataVoter(membership, others)
}
