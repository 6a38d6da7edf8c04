/**
 * The leader's desk: what this node does for others, and for itself, while it leads. Proposals
 * wait under (index, term) for their outcome; renewals and lease reads are answered only while
 * the leader lease holds (DESIGN §2, §5, §6).
 */
import { assert, present } from '../lib/assert.ts'
import type { Beat, BeatResult, PeerRequest, StateOffer, StateReport } from '../mesh/peer.ts'
import type {
  Answer,
  Clock,
  Entry,
  Input,
  LogIndex,
  NodeId,
  Raft,
  RequestId,
  Term,
} from '../raft/mod.ts'
import { encodeCommand } from '../state/mod.ts'
import type { AppliedBatch, Command, LeaseRow, LockKey, Outcome } from '../state/mod.ts'
import { LockDuty } from './lock-duty.ts'
import type { MemberResult } from './members/member-codec.ts'
import type { Liveness, Renewed } from './liveness.ts'
import { OwnLane, type ProposeOwn } from './own-lane.ts'

/** An answer as this process passes it around; `peers/wire.ts` turns it into a `PeerResponse`. */
export type Reply =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'beats'; readonly results: readonly BeatResult[] }
  | { readonly type: 'read_at'; readonly index: LogIndex; readonly mode: 'lease' | 'linearizable' }
  | { readonly type: 'cluster_info'; readonly info: Uint8Array }
  | { readonly type: 'members_changed'; readonly result: MemberResult }
  | { readonly type: 'report_noted' }
  | ({ readonly type: 'state_offered' } & StateOffer)
  | { readonly type: 'edge_answer'; readonly answer: Uint8Array }
  | {
      readonly type: 'refused'
      /** Nothing was appended, but for `unknown`. */
      readonly code: 'not_leader' | 'too_many_requests' | 'unknown'
    }

export type ReplyTo = (reply: Reply) => void

export const NOT_LEADER: Reply = { type: 'refused', code: 'not_leader' }
export const TOO_MANY: Reply = { type: 'refused', code: 'too_many_requests' }

export interface DeskHost {
  readonly raft: Raft
  readonly self: NodeId
  clock(): Clock
  enqueue(input: Input): void
  acceptsWrites(): boolean
  /** What fits into a segment of the log; a larger command would be the end of the node. */
  commandBytesMax(): number
  leases(): Iterable<LeaseRow>
  /** Where a permit and a waiter have not met. */
  readyLocks(): readonly LockKey[]
  clusterInfo(): Uint8Array
  changeMembers(change: Uint8Array, reply: ReplyTo): void
  stateReported(from: NodeId, report: StateReport): void
  offerState(after: LogIndex, reply: ReplyTo): void
  /** Nothing is answered from what is applied here. */
  isFenced(): boolean
}

interface ParkedBeats {
  readonly beats: readonly Beat[]
  readonly reply: ReplyTo
}

export class LeaderDesk {
  readonly #host: DeskHost
  readonly #liveness: Liveness
  readonly #locks = new LockDuty()
  readonly #clearing: OwnLane
  readonly #judging: OwnLane
  readonly #proposalsMax: number
  /** Asked of the core, not appended yet. */
  readonly #asked = new Map<RequestId, { readonly type: 'propose' | 'read'; reply: ReplyTo }>()
  /** Appended, by index; applied in that order. */
  readonly #appended = new Map<LogIndex, { readonly term: Term; readonly reply: ReplyTo }>()
  /** Renewals that came while the lease was not there (yet). */
  #parkedBeats: ParkedBeats[] = []
  /** A round asked for on behalf of the parked beats is under way. */
  #proving = false
  #nextId: RequestId = 1

  constructor(host: DeskHost, liveness: Liveness, bounds: { readonly proposalsMax: number }) {
    this.#host = host
    this.#liveness = liveness
    this.#proposalsMax = bounds.proposalsMax
    const propose: ProposeOwn = (command, ended) => this.#proposeOwn(command, ended)
    this.#clearing = new OwnLane(propose)
    this.#judging = new OwnLane(propose)
  }

  get pending(): number {
    return this.#asked.size + this.#appended.size
  }

  /** Whether somebody on this node waits for the outcome of the entry at `index`. */
  wants(index: LogIndex): boolean {
    return this.#appended.has(index)
  }

  /** `from`: the member that asks; this node's own calls come by here, too. */
  serve(request: PeerRequest, reply: ReplyTo, from: NodeId = this.#host.self): void {
    if (!this.#mayServe) return reply(NOT_LEADER)
    switch (request.type) {
      case 'propose':
        return this.#propose(request.command, reply)
      case 'heartbeats':
        return this.#beats(request.beats, reply)
      case 'read_index':
        return this.#readIndex(request.mode, reply)
      case 'cluster_info':
        return reply({ type: 'cluster_info', info: this.#host.clusterInfo() })
      case 'change_members':
        return this.#host.changeMembers(request.change, reply)
      case 'join':
      case 'ask_edge':
        return reply(NOT_LEADER) // Neither is a leader's: `PeerRequests` has seen to it.
      case 'report_state':
        this.#host.stateReported(from, request)
        return reply({ type: 'report_noted' })
      case 'want_state':
        return this.#host.offerState(request.after, reply)
    }
  }

  /** A fenced leader hands over: until somebody took over, nobody is served. */
  get #mayServe(): boolean {
    return this.#host.raft.role === 'leader' && !this.#host.isFenced()
  }

  #propose(data: Uint8Array, reply: ReplyTo): void {
    if (!this.#host.acceptsWrites() || this.pending >= this.#proposalsMax) return reply(TOO_MANY)
    if (data.length > this.#host.commandBytesMax()) return reply(this.#tooLarge(data.length))
    this.#host.enqueue({ type: 'propose', id: this.#ask('propose', reply), data, own: false })
  }

  #tooLarge(bytes: number): Reply {
    const bytesMax = this.#host.commandBytesMax()
    const detail =
      `the write is ${bytes} bytes, and the log of the leader takes ${bytesMax} in one entry ` +
      '(--wal-segment); nothing was applied: write less at once'
    const revision = this.#host.raft.applied
    return { type: 'outcome', outcome: { ok: false, revision, code: 'too_large', detail } }
  }

  #readIndex(mode: 'lease' | 'linearizable', reply: ReplyTo): void {
    const { raft } = this.#host
    // Noted before the clock is read: up to that reading nobody else can have committed.
    const index = raft.committed
    if (mode === 'lease' && this.holdsLease()) return reply({ type: 'read_at', index, mode })
    this.#host.enqueue({ type: 'read_index', id: this.#ask('read', reply) })
  }

  #ask(type: 'propose' | 'read', reply: ReplyTo): RequestId {
    const id = this.#nextId++
    this.#asked.set(id, { type, reply })
    return id
  }

  /** Whether the leader lease holds at this very moment. */
  holdsLease(): boolean {
    return this.#host.raft.leaseRemainingMs(this.#host.clock()) > 0
  }

  /** What the core answered. */
  answered(answers: readonly Answer[]): void {
    for (const answer of answers) {
      const asked = this.#asked.get(answer.id)
      if (asked === undefined) continue // The leader's own command.
      this.#asked.delete(answer.id)
      if (answer.type === 'appended') {
        const { term, index } = answer.at
        // An older one at this index was overwritten: it is lost for certain.
        this.#appended.get(index)?.reply(NOT_LEADER)
        this.#appended.set(index, { term, reply: asked.reply })
      } else if (answer.type === 'read_at') {
        asked.reply({ type: 'read_at', index: answer.index, mode: 'linearizable' })
      } else {
        asked.reply(answer.code === 'not_leader' ? NOT_LEADER : TOO_MANY)
      }
    }
  }

  /** A batch was applied: outcomes go to who waits; another term at that index means lost. */
  applied(entries: readonly Entry[], outcomes: readonly (Outcome | null)[]): void {
    assert(entries.length === outcomes.length, 'every entry has its outcome')
    if (this.#appended.size === 0) return
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry
      const waiting = this.#appended.get(entry.index)
      if (waiting === undefined) continue
      this.#appended.delete(entry.index)
      if (waiting.term !== entry.term) waiting.reply(NOT_LEADER)
      else {
        const outcome = present(outcomes[i], 'a command that was proposed has an outcome')
        waiting.reply({ type: 'outcome', outcome })
      }
    }
  }

  /** A snapshot took the place of entries up to `index`: what became of them nobody here sees. */
  overtaken(index: LogIndex): void {
    for (const [at, { reply }] of this.#appended) {
      if (at > index) continue
      this.#appended.delete(at)
      reply({ type: 'refused', code: 'unknown' })
    }
  }

  /** What apply did to leases, and to locks that have more to give. */
  stateChanged({ leases, readyLocks }: Pick<AppliedBatch, 'leases' | 'readyLocks'>): void {
    if (!this.#liveness.active) return
    if (leases.length > 0) {
      this.#advance()
      this.#liveness.applied(leases)
    }
    this.#locks.noted(readyLocks)
  }

  /**
   * The end of each turn of the loop: takes the duty up or lays it down with leadership, judges
   * deadlines, and answers renewals that waited for the lease.
   */
  endOfTurn(): void {
    const { raft } = this.#host
    if (!this.#mayServe) {
      this.#liveness.stop()
      this.#clearing.stop()
      this.#judging.stop()
      this.#locks.stop()
      this.#unpark(({ reply }) => reply(NOT_LEADER))
      return
    }
    // Rule 1 (DESIGN §5): nothing is promised before the no-op of the term is applied here.
    if (!raft.hasAppliedInTerm) return
    if (!this.#liveness.active) {
      this.#liveness.start(this.#host.leases(), this.#host.clock().nowMs)
      this.#locks.start(this.#host.readyLocks())
    }
    if (this.#host.acceptsWrites()) this.proposeOwn(this.#locks.take())
    const held = this.#advance()
    if (!held) return
    this.#clear()
    if (this.#host.acceptsWrites() && this.#judging.isFree) {
      this.#judging.propose(this.#liveness.due())
    }
    this.#unpark(({ beats, reply }) => this.#renewAll(beats, reply))
  }

  #unpark(answer: (parked: ParkedBeats) => void): void {
    if (this.#parkedBeats.length === 0) return
    for (const parked of this.#parkedBeats.splice(0)) answer(parked)
  }

  /** Lets time pass for the deadlines. Returns whether the leader lease holds now. */
  #advance(): boolean {
    const clock = this.#host.clock()
    const held = this.#host.raft.leaseRemainingMs(clock) > 0
    this.#liveness.advance(clock.nowMs, held)
    return held
  }

  /**
   * A beat for one lease, if it can be answered in this very turn, as nearly all can; `undefined`: it
   * has to wait, and is for `serve`.
   */
  renewNow(lease: string): Renewed | undefined {
    if (!this.#mayServe || !this.#liveness.active || !this.#advance()) return undefined
    return this.#liveness.renewNow(lease)
  }

  #beats(beats: readonly Beat[], reply: ReplyTo): void {
    if (this.#liveness.active && this.#advance()) return this.#renewAll(beats, reply)
    if (this.#parkedBeats.length >= this.#proposalsMax) return reply(TOO_MANY)
    this.#parkedBeats.push({ beats, reply })
    this.#prove()
  }

  /** Asks for a round, so that the lease comes back without waiting for the next heartbeat. */
  #prove(): void {
    if (this.#proving) return
    this.#proving = true
    const id = this.#ask('read', () => (this.#proving = false))
    this.#host.enqueue({ type: 'read_index', id })
  }

  #renewAll(beats: readonly Beat[], reply: ReplyTo): void {
    const results: (Renewed | undefined)[] = []
    const waiting: number[] = []
    for (const { lease } of beats) {
      const renewed = this.#liveness.renewNow(lease)
      if (renewed === undefined) waiting.push(results.length)
      results.push(renewed)
    }
    const done = (): void => reply({ type: 'beats', results: results as readonly BeatResult[] })
    if (waiting.length === 0) return done()
    let open = waiting.length
    let lost = false
    for (const at of waiting) {
      this.#liveness.renew((beats[at] as Beat).lease, (renewed) => {
        results[at] = renewed
        lost ||= renewed === undefined
        open -= 1
        if (open > 0) return
        if (lost) reply(NOT_LEADER)
        else done()
      })
    }
    this.#clear()
  }

  /** Logs that leases live again whose beats wait for it. */
  #clear(): void {
    if (this.#clearing.isFree) this.#clearing.propose(this.#liveness.clearings())
  }

  /** Commands of the leader itself: they have a lane of their own (DESIGN §1.6). */
  proposeOwn(commands: readonly Command[]): void {
    for (const command of commands) {
      const id = this.#nextId++ // Nobody waits for it: what apply does to leases is the answer.
      this.#host.enqueue({ type: 'propose', id, data: encodeCommand(command), own: true })
    }
  }

  #proposeOwn(command: Command, ended: () => void): void {
    const id = this.#ask('propose', ended)
    this.#host.enqueue({ type: 'propose', id, data: encodeCommand(command), own: true })
  }

  expiresInMs(lease: string): number | null {
    if (this.#host.raft.role !== 'leader') return null
    return this.#liveness.expiresInMs(lease)
  }
}
