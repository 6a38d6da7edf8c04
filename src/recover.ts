/**
 * What is left of a cluster that lost its quorum (DESIGN §7): looks at the directory of a node that
 * is stopped, and makes it the only voter of a new cluster.
 *
 * 1. The directory is locked, and looked at: nothing changes.
 * 2. A copy of the database applies the rest of the log, committed or not: nobody can say any more.
 * 3. The copy becomes the first state of the new cluster (`state/recovered.ts`).
 * 4. `CURRENT` names it and the new cluster's id: from here on it is the new cluster.
 * 5. The log starts anew behind that state, under the new id. Where the process ends before that,
 *    the next start of the node does it, as with any snapshot that was installed.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { assert } from './lib/assert.ts'
import { messageOf } from './lib/text.ts'
import { StartError } from './node-options.ts'
import { decodeMembership, encodeMembership, type Membership } from './raft/mod.ts'
import {
  findStateFile,
  installedIn,
  isDataDirectory,
  loadSql,
  lockDirectory,
  logOf,
  openDisk,
  readFence,
  removeOtherFiles,
  StateCopy,
  type DirectoryLock,
  type SqlFactory,
  type StateFile,
} from './runtime/mod.ts'
import { inUse, startError } from './start-error.ts'
import {
  examineState,
  foundAnew,
  readApplied,
  revisionAfterLoss,
  StateMachine,
} from './state/mod.ts'
import { inspectLog, SEGMENT_BYTES, Wal, WalMismatch, type LogReport } from './storage/mod.ts'

/** Of entries that are applied in one transaction. */
const APPLY_BYTES = 4 * 1024 * 1024

export interface SurvivingMember {
  readonly id: string
  readonly url: string | null
  readonly role: 'voter' | 'learner' | 'witness'
}

/** What one directory holds, for comparing it with the others that are left. */
export interface Survivor {
  readonly dataDir: string
  readonly nodeId: string
  readonly clusterId: string
  /** The last entry that is durable here. Of two nodes the higher term has more, then the index. */
  readonly lastIndex: number
  readonly lastTerm: number
  /** Up to here it is known to have been committed; what follows may never have been. */
  readonly appliedIndex: number
  /** What is known to be wrong with the state here, as a sentence; null: nothing is. */
  readonly wrong: string | null
  /** By the newest membership in the log, this node included, if it is one of them. */
  readonly members: readonly SurvivingMember[]
}

export interface NewCluster {
  readonly clusterId: string
  readonly previousClusterId: string
  /** The revision that it goes on at; what was before counts as compacted. */
  readonly revision: number
}

/** A directory that is locked for this process. */
export interface Recovery {
  readonly survivor: Survivor
  /** Once. Rejects with nothing changed, or after the change was decided, as its message says. */
  foundAnew(): Promise<NewCluster>
  close(): void
}

/** Rejects with `StartError`: 2 no data directory, 1 nothing to recover, 3 damaged or in use. */
export async function openRecovery(dataDir: string): Promise<Recovery> {
  if (statSync(dataDir, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new StartError(2, `${dataDir} is no directory; name the data directory of a stopped node`)
  }
  if (!isDataDirectory(dataDir)) {
    throw new StartError(2, `${dataDir} is no data directory: it holds neither CURRENT nor a log`)
  }
  const lock = await lockDirectory(dataDir)
  if (lock === null) throw inUse(dataDir, 'stop that node first: nothing was changed')
  try {
    return new DirectoryRecovery(dataDir, lock, await loadSql(null))
  } catch (error) {
    lock.release()
    if (error instanceof WalMismatch && error.reason === 'member_kind') {
      const what = `${dataDir} is the directory of a witness`
      throw new StartError(1, `${what}: it has no data that a cluster could go on with`)
    }
    throw startError(error, { dataDir, witness: false })
  }
}

class DirectoryRecovery implements Recovery {
  readonly survivor: Survivor
  readonly #lock: DirectoryLock
  readonly #sql: SqlFactory
  readonly #live: StateFile
  readonly #incarnation: string

  constructor(dataDir: string, lock: DirectoryLock, sql: SqlFactory) {
    assert(sql.driver !== 'sql.js', 'a driver that reads files loads wherever this runs')
    const live = findStateFile(dataDir)
    const found = live === null ? null : lookAt(dataDir, live, sql)
    if (live === null || found === null) {
      throw new StartError(1, `${dataDir} belongs to no cluster yet: there is nothing to recover`)
    }
    this.#lock = lock
    this.#sql = sql
    this.#live = live
    this.#incarnation = found.incarnation
    this.survivor = found.survivor
  }

  async foundAnew(): Promise<NewCluster> {
    const { dataDir, clusterId: previousClusterId } = this.survivor
    const clusterId = randomUUID()
    let isDecided = false
    const copy = this.#copy()
    try {
      const state = StateMachine.open(copy.sql)
      const wal = openLog(dataDir, this.#live, state)
      try {
        applyRest(state, wal)
        const { last } = wal.recovered
        const at = { index: revisionAfterLoss(last.index, Date.now()), term: last.term }
        foundAnew(copy.sql, { ...at, membership: this.#membership() })
        const live = copy.commit(at.index, clusterId)
        isDecided = true
        wal.restart(at, clusterId)
        removeOtherFiles(dataDir, live)
        return { clusterId, previousClusterId, revision: at.index }
      } finally {
        wal.close()
      }
    } catch (error) {
      throw isDecided
        ? unfinished(error, clusterId)
        : startError(error, { dataDir, witness: false })
    } finally {
      copy.discard()
    }
  }

  #copy(): StateCopy {
    const { dataDir } = this.survivor
    try {
      return new StateCopy(dataDir, this.#live, this.#sql)
    } catch (error) {
      const why = messageOf(error)
      const what = `the database in ${dataDir} cannot be copied, so nothing was changed`
      throw new StartError(1, `${what}: ${why}`, { cause: error })
    }
  }

  /** This node alone. Its incarnation stays: the cluster's id is what tells old from new. */
  #membership(): Uint8Array {
    const { nodeId: id, members } = this.survivor
    const url = members.find((member) => member.id === id)?.url ?? null
    return encodeMembership({
      members: [{ id, incarnation: this.#incarnation, url, witness: false }],
      voters: [id],
      outgoing: null,
      learners: [],
      wanted: null,
    })
  }

  close(): void {
    this.#lock.release()
  }
}

type Applied = Pick<StateMachine, 'appliedIndex' | 'appliedTerm' | 'membershipIndex'> & {
  readonly membershipBytes: Uint8Array | null
}

/** Without a word to the disk. Null: the node was never in a cluster. */
function lookAt(
  dataDir: string,
  live: StateFile,
  factory: SqlFactory,
): { readonly survivor: Survivor; readonly incarnation: string } | null {
  if (!existsSync(logOf(dataDir))) {
    throw new StartError(3, `${dataDir} has no log any more: what it promised cannot be known`)
  }
  const state = readState(live, factory)
  const log = inspectLog(openDisk(logOf(dataDir)), expectationOf(live, state))
  const membership = log === null ? null : newestMembership(state, log)
  if (log === null || membership === null) return null
  const { nodeId, incarnation } = log.identity
  const { last } = log
  const survivor = {
    dataDir,
    nodeId,
    clusterId: live.foundedAnew ?? log.identity.clusterId ?? 'unknown',
    lastIndex: last.index,
    lastTerm: last.term,
    appliedIndex: state.appliedIndex,
    wrong: readFence(dataDir, live) ?? state.wrong,
    members: membership.members.map(({ id, url, witness }): SurvivingMember => {
      const votes = membership.voters.includes(id) || membership.outgoing?.includes(id) === true
      return { id, url, role: witness ? 'witness' : votes ? 'voter' : 'learner' }
    }),
  }
  return { survivor, incarnation }
}

/**
 * A database without tables is one that never applied anything: the log holds all there is.
 * `wrong`: why its rows are not the ones that were applied.
 */
function readState(
  live: StateFile,
  factory: SqlFactory,
): Applied & { readonly wrong: string | null } {
  const sql = factory.openReadOnly(live.path)
  try {
    if (readApplied(sql) === null) return NOTHING
    const { appliedIndex, appliedTerm, membershipIndex, membershipBytes } = StateMachine.open(sql)
    const wrong = examineState(sql)
    return { appliedIndex, appliedTerm, membershipIndex, membershipBytes, wrong }
  } finally {
    sql.close()
  }
}

const NOTHING = {
  appliedIndex: 0,
  appliedTerm: 0,
  membershipIndex: 0,
  membershipBytes: null,
  wrong: null,
}

/** As `node.ts` opens the log: what the state says must be in it. */
function expectationOf(live: StateFile, state: Applied) {
  const { appliedIndex: index, appliedTerm: term } = state
  return {
    nodeId: null,
    appliedIndex: index,
    appliedTerm: index === 0 ? null : term,
    installed: installedIn(live, { index, term }),
    witness: false,
  }
}

function newestMembership(state: Applied, { memberships }: LogReport): Membership | null {
  const newest = memberships.at(-1)
  if (newest !== undefined && newest.index > state.membershipIndex) {
    return decodeMembership(newest.data)
  }
  return state.membershipBytes === null ? null : decodeMembership(state.membershipBytes)
}

/** Cuts a torn tail, as any start of the node does. */
function openLog(dataDir: string, live: StateFile, state: StateMachine): Wal {
  return Wal.open(openDisk(logOf(dataDir)), {
    ...expectationOf(live, state),
    segmentBytes: SEGMENT_BYTES,
    foundedAnew: live.foundedAnew,
    newNodeId: () => randomUUID(),
    newIncarnation: () => randomUUID(),
    onFailure: () => {}, // What fails here throws, too: nothing is written in the background.
  })
}

function applyRest(state: StateMachine, wal: Wal): void {
  const { last } = wal.recovered
  while (state.appliedIndex < last.index) {
    const entries = wal.read(state.appliedIndex + 1, last.index, APPLY_BYTES)
    state.applyBatch(entries, () => false)
  }
  state.save()
}

function unfinished(error: unknown, clusterId: string): StartError {
  const why = messageOf(error)
  const what = `the new cluster ${clusterId} is founded, and the node finishes the rest when it starts`
  return new StartError(1, `${what}: ${why}`, { cause: error })
}
