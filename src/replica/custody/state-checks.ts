/**
 * State hashes compared through the log (DESIGN §4, RELIABILITY D1).
 *
 * ```
 *   leader: state_check ──► every node notes its hash as of that very entry
 *                           every node ──► leader: report_state
 *   leader: a majority of the data voters agrees ──► state_verdict ──► every node compares
 * ```
 * The verdict names what a majority has, not what the leader has: a leader that is the odd one out
 * is found like anybody else, and by the same entry on every node. Without a majority nobody can
 * say who is right: then there is an alarm and no verdict (decision 0004).
 *
 * An idle cluster writes nothing: a state that has its verdict is not checked again.
 */
import type { StateReport } from '../../mesh/peer.ts'
import type { Logger } from '../../lib/logger.ts'
import { isMajority, type Membership, type NodeId, type Raft } from '../../raft/mod.ts'
import type { Command, StateNote } from '../../state/mod.ts'

export interface StateChecksConfig {
  /** A state that did not change for so long is checked. */
  readonly checkQuietMs: number
  /** One that changes all the time is checked this often, or after so many entries. */
  readonly checkEveryMs: number
  readonly checkEntries: number
}

export interface StateChecksHost {
  readonly raft: Raft
  readonly schema: number
  readonly logger: Logger
  stateHash(): string
  /** Whether the cluster knows the commands. */
  isKnown(): boolean
  nowMs(): number
  propose(command: Command): void
  /** Asks the leader to take note, whoever that is. */
  report(report: StateReport): void
  /** This node's state is not what a majority has. */
  differs(found: { readonly index: number; readonly own: string; readonly right: string }): void
}

/** Its verdict comes a round trip later, so few are open at a time. */
const NOTES_MAX = 8
const LOOK_MS = 200
/** Who has not reported in this time may be down: that nobody can tell is said without it. */
const REPORT_PATIENCE_MS = 2_000

export class StateChecks {
  readonly #host: StateChecksHost
  readonly #config: StateChecksConfig
  /** This node's own, newest last. */
  #notes: StateReport[] = []
  /** The newest hash that a verdict named. */
  #agreed: string | null = null
  /** The last check that had a verdict. */
  #agreedIndex = 0
  /** What this leader was told of the newest check. */
  readonly #reports = new Map<NodeId, StateReport>()
  /** Somebody reported since the last count. */
  #isNews = false
  #nextLookMs = 0
  #seen = { hash: '', sinceMs: 0 }
  #askedMs = 0
  #led = false
  /** The check for which a verdict was proposed. */
  #decided = 0
  /** Since when reports differ and no majority agrees, over all checks since the last verdict. */
  #disputedSinceMs: number | null = null
  #alarm: string | null = null

  constructor(host: StateChecksHost, config: StateChecksConfig) {
    this.#host = host
    this.#config = config
  }

  /** Of a leader: why nobody can say which state is right; null where there is no such reason. */
  get alarm(): string | null {
    return this.#alarm
  }

  /** The newest check that a majority agreed on, as far as this node has applied. */
  get agreedIndex(): number {
    return this.#agreedIndex
  }

  /** What a batch of the log said. */
  applied(notes: readonly StateNote[]): void {
    for (const note of notes) {
      if (note.type === 'check') this.#note({ ...note, schema: this.#host.schema })
      else this.#judge(note)
    }
  }

  #note({ index, hash, schema }: StateReport): void {
    const report = { index, hash, schema }
    this.#notes.push(report)
    if (this.#notes.length > NOTES_MAX) this.#notes.shift()
    this.#host.report(report)
  }

  #judge({ index, hash, schema }: StateReport): void {
    this.#agreed = hash
    this.#agreedIndex = index
    this.#alarm = null
    const own = this.#notes.find((note) => note.index === index)
    if (own === undefined || own.schema !== schema || own.hash === hash) return
    this.#host.differs({ index, own: own.hash, right: hash })
  }

  /** Another state is in place: what was noted was the old one's. */
  replaced(): void {
    this.#notes = []
  }

  /** On a leader: a member says what it has. An older check than the newest is over. */
  reported(from: NodeId, report: StateReport): void {
    const newest = Math.max(0, ...Array.from(this.#reports.values(), ({ index }) => index))
    if (report.index < newest || report.index <= this.#agreedIndex) return
    if (report.index > newest) this.#reports.clear()
    this.#reports.set(from, report)
    this.#isNews = true
  }

  endOfTurn(): void {
    const { raft } = this.#host
    if (!raft.hasAppliedInTerm || !this.#host.isKnown()) {
      this.#led = false
      this.#alarm = null
      this.#disputedSinceMs = null
      return
    }
    const nowMs = this.#host.nowMs()
    if (!this.#led) this.#takeUp(nowMs)
    this.#decide(nowMs)
    if (nowMs < this.#nextLookMs) return
    this.#nextLookMs = nowMs + LOOK_MS
    if (!this.#isDue(nowMs)) return
    this.#askedMs = nowMs
    this.#host.propose({ type: 'state_check' })
  }

  /** A new leader's state is the one that is read from: it is checked soon, quiet or not. */
  #takeUp(nowMs: number): void {
    this.#led = true
    this.#askedMs = nowMs + this.#config.checkQuietMs - this.#config.checkEveryMs
  }

  #isDue(nowMs: number): boolean {
    const hash = this.#host.stateHash()
    if (hash !== this.#seen.hash) this.#seen = { hash, sinceMs: nowMs }
    if (hash === this.#agreed) return false
    const { checkQuietMs, checkEveryMs, checkEntries } = this.#config
    if (nowMs - this.#askedMs >= checkEveryMs) return true
    const last = this.#notes.at(-1)
    if (this.#host.raft.applied - (last?.index ?? 0) >= checkEntries) return true
    return last?.hash !== hash && nowMs - this.#seen.sinceMs >= checkQuietMs
  }

  /** Says what a majority has, once there is one. */
  #decide(nowMs: number): void {
    const isDisputed = this.#disputedSinceMs !== null && this.#alarm === null
    if (!this.#isNews && !isDisputed) return
    this.#isNews = false
    const { membership } = this.#host.raft
    const [first] = this.#reports.values()
    if (membership === null || first === undefined || first.index <= this.#decided) return
    const verdict = verdictOf(membership, this.#reports)
    const { index } = first
    if (typeof verdict === 'string') {
      if (!differ(this.#reports)) return
      this.#disputedSinceMs ??= nowMs
      const isLate = nowMs - this.#disputedSinceMs >= REPORT_PATIENCE_MS
      if (verdict === 'split' || isLate) this.#sound(index)
      return
    }
    this.#decided = index
    this.#disputedSinceMs = null
    this.#nameOdd(verdict)
    const { hash, schema } = verdict
    this.#host.propose({ type: 'state_verdict', index, hash, schema })
  }

  #nameOdd(right: StateReport): void {
    for (const [member, { index, hash, schema }] of this.#reports) {
      if (schema !== right.schema || hash === right.hash) continue
      const fields = { member, index, hash, majority: right.hash }
      this.#host.logger.error('a node has another state than the majority: it is fenced', fields)
    }
  }

  #sound(index: number): void {
    if (this.#alarm !== null) return
    const hashes = Array.from(this.#reports, ([id, { hash }]) => `${id} ${hash}`)
      .sort()
      .join(', ')
    this.#alarm =
      `the states of the nodes differ at entry ${index}, and no majority agrees (${hashes}): nobody ` +
      'can tell which is right. Start the nodes that are down; where all are up, compare what ' +
      'they answer, and wipe those that are wrong, one by one'
    this.#host.logger.error(this.#alarm, { index })
  }
}

/**
 * What more than half of the data voters of every active configuration have. `open`: that can
 * still be; `split`: it cannot.
 */
export function verdictOf(
  membership: Membership,
  reports: ReadonlyMap<NodeId, StateReport>,
): StateReport | 'open' | 'split' {
  const isWitness = new Set(membership.members.filter((m) => m.witness).map(({ id }) => id))
  const configurations = [membership.voters, membership.outgoing ?? membership.voters].map((ids) =>
    ids.filter((id) => !isWitness.has(id)),
  )
  const candidates = [...reports.values()]
  const reaches = (wanted: StateReport | null, more: (id: NodeId) => boolean): boolean =>
    configurations.every((voters) =>
      isMajority(voters, (id) => isSame(reports.get(id), wanted) || more(id)),
    )
  const isMissing = (id: NodeId): boolean => !reports.has(id)
  const agreed = candidates.find((candidate) => reaches(candidate, () => false))
  if (agreed !== undefined) return agreed
  const canBe = [...candidates, null].some((candidate) => reaches(candidate, isMissing))
  return canBe ? 'open' : 'split'
}

function differ(reports: ReadonlyMap<NodeId, StateReport>): boolean {
  const all = [...reports.values()]
  return all.some((a) => all.some((b) => a.schema === b.schema && a.hash !== b.hash))
}

function isSame(report: StateReport | undefined, wanted: StateReport | null): boolean {
  if (report === undefined || wanted === null) return false
  return report.hash === wanted.hash && report.schema === wanted.schema
}
