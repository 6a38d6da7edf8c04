/**
 * The interesting situations (RELIABILITY §1.2): a thousand seeds that never meet one of them test
 * less than they seem to, so they fail. The names are what `--stats` prints.
 */
export const SITUATIONS = [
  // Elections
  'a term had no leader',
  'a leader was deposed by a newer term',
  'a leader that no majority answered stood down',
  'a leader with a hung disk stood down',
  'a pre-vote came inside a promise',
  'a candidate with an older log was refused',
  'a vote of an older term came late',
  'a vote was durable, and its node dead before it was cast',
  'a term or vote was lost with the power',
  'a transfer succeeded',
  'a transfer failed',
  'the founder died between the id and the durable first entry',
  // Witnesses
  'a witness voted',
  'a witness kept a stale node from leading',
  'an entry was committed by a witness',
  'a witness was given its place',
  'a cluster was degraded, and is whole again',
  'a data node was lost for good',
  'a witness was lost for good',
  // Logs
  'an entry of an older term on a majority was held back',
  'a follower backed up over a conflicting term',
  'a conflicting suffix was overwritten',
  'a suffix was overwritten while its write was under way',
  'an acknowledgement of an older term came late',
  'entries were lost with the power',
  'a power cut tore a write',
  'a disk refused a write for want of room',
  'a power cut left noise in a write',
  'a slow read held a node up',
  'a node lost its disk',
  'a disk was damaged: bits flipped',
  'a disk was damaged: a write lost',
  'a disk was damaged: a write misdirected',
  'damage before the durable end was found',
  'a stranger under an old name votes again',
  'a node came back with an older state than its log',
  'a node came back without a state',
  // Members
  'a member that was silent for too long was removed',
  // Writes and reads
  'an unknown write had happened',
  'an unknown write had not happened',
  'a write outlived the leader it was begun under',
  'a write was refused for a full queue or disk',
  'a write found no leader in its time',
  'a lease read was answered as linearizable',
  'a stale read was behind',
  'a repeat was told the first outcome',
  'a key stood in the log more than once',
  'a key came back after its window',
  'a key stood for another request',
  'the table of keys was full',
  'the outcomes of keys took all their room',
  'a transaction failed halfway',
  'a transaction took its other branch',
  'a wait was woken',
  'a wait ran out',
  'a wait was for the future',
  // Watches
  'a watch went on at another node',
  'a watch was told several events of one revision',
  'a watch was refused as too old',
  'a watch fell behind what is kept',
  'a watch went on in a snapshot',
  'a watch was cut for a reader that does not read',
  // Configuration
  'a rollback brought old bytes back',
  'a rollback met another version',
  'a schema changed under a write',
  'a version was no longer kept',
  'a staged value was read',
  'a promotion came too late',
  // States and versions
  'a state was found wrong by the log',
  'a state was found wrong by looking through it',
  'a wrong state was replaced',
  'a read was refused by a fenced node',
  'a leader was fenced',
  'the clusterVersion rose',
  'an older program met what it does not know',
  // Locks
  'a lock was granted to one who waited',
  'a permit was left for an entry of its own',
  'a client hung up while it waited for a lock',
  'a write under a token that was lost was refused',
  // Leases
  'a suspect lease was cleared by a beat',
  'a suspect lease went over to another leader',
  'a lapsed lease was revived',
  'a lapsed instance was removed',
  'an expiry was void: registered again meanwhile',
  'an expiry was void: gone already',
] as const

export type Situation = (typeof SITUATIONS)[number]

/** Counts of one run. */
export class Sometimes {
  readonly counts = new Map<Situation, number>()

  met(situation: Situation): void {
    this.counts.set(situation, (this.counts.get(situation) ?? 0) + 1)
  }

  has(situation: Situation): boolean {
    return this.counts.has(situation)
  }
}

/** From so many seeds on, every situation must have been met. */
export const SEEDS_TO_MEET_ALL = 1_000

/** Those that never came about, by the counts of many seeds; none where the seeds are few. */
export function neverMet(seeds: number, counts: ReadonlyMap<string, number>): Situation[] {
  if (seeds < SEEDS_TO_MEET_ALL) return []
  return SITUATIONS.filter((situation) => (counts.get(situation) ?? 0) === 0)
}
