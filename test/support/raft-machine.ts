/** One machine of `raft-network.ts`, and what is drawn for it. */
import type { Random } from '../../src/lib/prng.ts'
import type {
  Clock,
  Incarnation,
  Input,
  LogIndex,
  Membership,
  MembershipTarget,
  NodeId,
  Raft,
  RaftConfig,
} from '../../src/raft/mod.ts'
import { RaftDisk } from './raft-disk.ts'
import type { Observed } from './raft-invariants.ts'
import { incarnationOf, membershipOf } from './raft-node.ts'

export interface Machine extends Observed {
  raft: Raft | null
  disk: RaftDisk
  /** Another one after each loss of its disk. */
  incarnation: Incarnation
  /** Monotonic milliseconds for each real one, and where it began. */
  readonly rate: number
  originMs: number
  latestMs: number
  wallMs: number
  /** Applied; of it, what the database would still have after a power failure. */
  applied: LogIndex
  appliedDurable: LogIndex
  /** Stopped as by SIGSTOP: clocks go on, inputs wait in their order. */
  isPaused: boolean
  /** The whole machine is stopped, its monotonic clock too, since then. */
  suspendedMs: number | null
  inbox: (() => Input)[]
  hungUntilMs: number
  /** Timers and disk writes of earlier lives are void. */
  life: number
  tickDueMs: number
}

/** One that was never started. `clockOf` reads its clocks. */
export function newMachine(
  id: NodeId,
  {
    random,
    driftHundredths,
    clockOf,
  }: {
    readonly random: Random
    readonly driftHundredths: number
    clockOf(machine: Machine): Clock
  },
): Machine {
  const machine: Machine = {
    id,
    raft: null,
    disk: new RaftDisk({ term: 0, votedFor: null, promiseMs: 0 }),
    incarnation: incarnationOf(id),
    rate: 1 + (random(2 * driftHundredths + 1) - driftHundredths) / 100,
    originMs: random(1_000_000),
    latestMs: 0,
    wallMs: 1_700_000_000_000 + random(10_000),
    applied: 0,
    appliedDurable: 0,
    isPaused: false,
    suspendedMs: null,
    inbox: [],
    hungUntilMs: 0,
    life: 0,
    tickDueMs: Infinity,
    leaseMs: () => {
      if (machine.raft === null || machine.suspendedMs !== null) return 0
      return machine.raft.leaseRemainingMs(clockOf(machine))
    },
  }
  return machine
}

/** Mostly small bounds, so that windows fill, batches split and old entries come from disk. */
export function drawConfig(random: Random): Partial<RaftConfig> {
  if (random(3) === 0) return {}
  return {
    appendEntriesMax: 1 + random(8),
    appendBytesMax: 32 + random(200),
    inflightMax: 1 + random(4),
    inflightBytesMax: 100 + random(500),
    tailBytesMax: random(600),
    applyEntriesMax: 1 + random(8),
    applyBytesMax: 20 + random(100),
  }
}

/**
 * What to change the members to. Whoever lost its disk is taken back first, as a replica does; else
 * anything goes, while changes are begun at all.
 */
export function drawTarget(
  {
    machines,
    random,
    begins,
  }: { readonly machines: readonly Machine[]; readonly random: Random; readonly begins: boolean },
  leader: Machine,
): MembershipTarget {
  const current = leader.raft?.membership ?? membershipOf([leader.id])
  const lost = machines.find((machine) => isLost(machine, current))
  if (lost !== undefined && current.outgoing === null) {
    const { id, incarnation } = lost
    const without = (ids: readonly NodeId[]) => ids.filter((other) => other !== id)
    const members = current.members.map((member) => {
      return member.id === id ? { ...member, incarnation } : member
    })
    const learners = [...without(current.learners), id].sort()
    return { members, voters: without(current.voters), learners, wanted: null }
  }
  if (!begins) return current // What is begun is finished, and nothing else is begun.
  const draw = machines.map(({ id }) => ({ id, as: random(4) }))
  const voters = draw.filter(({ as }) => as > 1).map(({ id }) => id)
  const learners = draw.filter(({ as }) => as === 1).map(({ id }) => id)
  const target = membershipOf(voters.length > 0 ? voters : [leader.id], {
    learners: voters.length > 0 ? learners : learners.filter((id) => id !== leader.id),
  })
  const members = target.members.map((member) => {
    const machine = machines.find(({ id }) => id === member.id)
    return { ...member, incarnation: machine?.incarnation ?? null }
  })
  return { ...target, members }
}

/** It is a voter by its name, and another one by its disk. */
export function isLost({ id, incarnation }: Machine, membership: Membership): boolean {
  const member = membership.members.find((candidate) => candidate.id === id)
  return member !== undefined && member.incarnation !== incarnation
}

export function describe(input: Input): string {
  switch (input.type) {
    case 'message':
      return JSON.stringify(input.message, (key, value: unknown) =>
        key === 'entries' ? (value as Entries).map(({ term, index }) => `${term}.${index}`) : value,
      )
    case 'propose':
      return `propose ${input.id}`
    case 'bootstrap':
      return 'bootstrap'
    default:
      return JSON.stringify(input)
  }
}

type Entries = readonly { readonly term: number; readonly index: number }[]
