/**
 * One machine: the production log, replica, gateway and (in some seeds) mesh over simulated ports.
 * A crash throws all of it away but the disk.
 */
import { assert, present } from '../../src/lib/assert.ts'
import type { Socket, SocketEvents } from '../../src/mesh/mod.ts'
import type { Clock, Entry, Incarnation, LogIndex, NodeId, Raft } from '../../src/raft/mod.ts'
import type { Gateway, Replica } from '../../src/replica/mod.ts'
import {
  CLUSTER_VERSION_MAX,
  decodeCommand,
  sinceClusterVersion,
  UnknownCommand,
} from '../../src/state/mod.ts'
import type { Command, StateMachine } from '../../src/state/mod.ts'
import { WalDamaged, WalMismatch } from '../../src/storage/mod.ts'
import { SimDisk } from '../support/sim-disk.ts'
import type { Chance } from './chance.ts'
import type { Packet } from './light-mesh.ts'
import { LogView } from './log-view.ts'
import { NodeClock } from './node-clock.ts'
import { openProcess, type Process } from './process.ts'
import type { Rot } from './shared-state.ts'
import type { Endpoint } from './sockets.ts'
import type { SimStore } from './store.ts'
import { SOCKETS, TIMERS, TURN, type Phase, type Surroundings } from './surroundings.ts'
import { insist, Violation } from './violation.ts'

/** How soon somebody starts a process again that ended by itself. */
const RESTART_MS = 200
/** How long somebody takes at most to see that a log was refused, and to move it away. */
const OPERATOR_MS = 1_000

export class SimNode implements Endpoint {
  readonly id: NodeId
  readonly at: number
  /** It votes and keeps no data. */
  readonly isWitness: boolean
  readonly clock: NodeClock
  readonly disk: SimDisk
  view = new LogView()
  /** What its disks held that were lost, by incarnation: leaders may have counted them before. */
  readonly lostViews = new Map<Incarnation, LogView>()
  boot = 0
  /** What the program of this boot knows. */
  clusterVersionMax = CLUSTER_VERSION_MAX
  /** Whether it was ever started with the newest. */
  everNewest = false
  #mustUpgrade = false
  /** Over all its lives. */
  readonly counts = { compactions: 0, installs: 0, misplaced: 0 }
  /** A pause of the disk: what is synced until then ends only then. */
  diskStalledUntilMs = 0
  /** When it last went on after a pause, in true time. */
  resumedMs = -Infinity
  /** What was durable is damaged: the log may be refused, and must not be opened without it. */
  isDamaged = false
  /** As whom it was started last; null once its disk is lost. */
  incarnation: Incarnation | null = null
  /** Told when the process dies: clients whose connection is lost. */
  readonly onDeath = new Set<() => void>()
  readonly #around: Surroundings
  readonly #chance: Chance
  #process: Process | null = null
  #paused = false
  #held: { readonly phase: Phase; readonly run: () => void }[] = []
  /** How long what was read in this event blocks the process. */
  #readMs = 0

  constructor(around: Surroundings, at: number, chance: Chance) {
    const { world, plan } = around
    this.#around = around
    this.#chance = chance
    this.at = at
    this.id = `n${at + 1}`
    this.isWitness = at >= plan.nodes - plan.witnesses
    const [originMs, rate] = [chance.ms(0, 1e6), this.drawRate()]
    this.clock = new NodeClock(world.nowMs, { originMs, rate, wallDrifts: plan.wallDrifts })
    this.disk = new SimDisk({
      random: chance.random,
      garbledPermille: plan.disk.garbledPermille,
      onRead: () => {
        const { readMaxMs } = plan.disk
        if (readMaxMs > 0 && this.isUp && !around.isHealed())
          this.#readMs += chance.ms(0, readMaxMs)
      },
      schedule: (task) => {
        const { syncMinMs, syncMaxMs } = plan.disk
        const stallMs = Math.max(0, this.diskStalledUntilMs - world.nowMs)
        this.#later(stallMs + chance.ms(syncMinMs, syncMaxMs), SOCKETS, task)
      },
    })
  }

  get isUp(): boolean {
    return this.#process !== null
  }

  get isPaused(): boolean {
    return this.#paused
  }

  get raft(): Raft {
    return this.replica.raft
  }

  get replica(): Replica {
    return present(this.#process, 'the node is up').replica
  }

  get gateway(): Gateway {
    return present(this.#process, 'the node is up').gateway
  }

  get state(): StateMachine {
    return present(this.#process, 'the node is up').state
  }

  /** What is wrong with its state. */
  get rot(): Rot | null {
    return this.#around.states.rotOf(this.id)
  }

  /** The entry that has shown this process that its state is wrong; null: none has. */
  get exposedAt(): LogIndex | null {
    if (!this.isUp) return null
    const state: { readonly exposedAt?: LogIndex | null } = this.state as object
    return state.exposedAt ?? null
  }

  get url(): string {
    return `http://${this.id}`
  }

  /** What the disk of that incarnation holds, or held until it was lost. */
  viewOf(incarnation: Incarnation): LogView | null {
    return incarnation === this.incarnation ? this.view : (this.lostViews.get(incarnation) ?? null)
  }

  /** Both clocks, now. */
  readClock(): Clock {
    const { nowMs } = this.#around.world
    return { nowMs: this.clock.mono(nowMs), wallMs: this.clock.wall(nowMs) }
  }

  /** A rate inside the drift that the nodes are told of. */
  drawRate(): number {
    const { clockDrift } = this.#around.plan
    const parts = Math.floor(clockDrift * 10_000)
    const off = this.#chance.pick([-parts, parts, this.#chance.int(-parts, parts)])
    return 1 + off / 10_000
  }

  start(): void {
    assert(this.#process === null, 'a process is started once')
    const { world, observer } = this.#around
    this.boot += 1
    this.#chooseProgram()
    this.#paused = false
    this.#held = []
    this.clock.restart(world.nowMs, this.#chance.ms(1, 1e6))
    world.note(`${this.id} starts`, this.boot)
    this.#guard(() => {
      const process = this.#tryOpen()
      if (process === null) return
      this.#process = process
      this.incarnation = process.replica.identity.incarnation
      this.isDamaged = false
      observer.started(this)
      process.replica.start()
      observer.stepped(this)
    })
  }

  /**
   * Upgrades roll back and forth between boots until the cluster has left the older program behind;
   * whoever met what it does not know is started with the newer one.
   */
  #chooseProgram(): void {
    const { history, plan } = this.#around
    const hasLeftOld = history.model.clusterVersion(history.last) >= CLUSTER_VERSION_MAX
    const mayBeOld = plan.upgrades && !hasLeftOld
    const isOld = mayBeOld && !this.#mustUpgrade && this.#chance.oneIn(3)
    this.clusterVersionMax = isOld ? CLUSTER_VERSION_MAX - 1 : CLUSTER_VERSION_MAX
    if (!isOld) this.everNewest = true
  }

  /** From its next boot on it runs the newest program. */
  upgrade(): void {
    this.#mustUpgrade = true
  }

  /** As the decoder of the program that runs here would: before anything is applied. */
  mustKnow(entries: readonly Entry[]): void {
    if (this.clusterVersionMax === CLUSTER_VERSION_MAX) return
    for (const entry of entries) {
      if (entry.type !== 'command' || !isNewest(decodeCommand(entry.data))) continue
      throw new UnknownCommand(`entry ${entry.index} is of a newer program`)
    }
  }

  #misplaced(reason: string): void {
    const { world } = this.#around
    world.note(`${this.id} is misplaced: ${reason}`)
    // No disk here loses what it synced.
    if (this.raft.lostUpTo > 0) throw new Violation('a node never fails by itself', reason)
    const { boot } = this
    this.counts.misplaced += 1
    this.#mustUpgrade = true
    world.after(0, () => {
      if (this.boot !== boot) return
      this.crash(false)
      world.after(RESTART_MS, () => {
        if (!this.isUp) this.start()
      })
    })
  }

  /** The process dies; `power`: and all that was not synced may be lost. */
  crash(power: boolean): void {
    const process = this.#process
    if (process === null) return
    this.#around.world.note(`${this.id} ${power ? 'loses power' : 'is killed'}`)
    this.#around.observer.died(this)
    process.replica.stop()
    process.mesh?.stop()
    this.#around.states.left(this.id, process.state, { power, durable: this.view.durable })
    this.#process = null
    this.#held = []
    this.#paused = false
    this.boot += 1 // Whatever was planned for this process is void.
    if (power) this.disk.crash()
    else this.disk.kill()
    for (const told of this.onDeath) told()
    this.onDeath.clear()
  }

  /** The directory is gone, as with a new disk: what comes back is somebody else of that name. */
  wipe(): void {
    assert(this.#process === null, 'a disk is changed while its machine is off')
    this.#around.world.note(`${this.id} loses its disk`)
    this.disk.format()
    if (this.incarnation !== null) this.lostViews.set(this.incarnation, this.view)
    this.view = new LogView()
    this.#around.states.wiped(this.id)
    this.incarnation = null
    this.isDamaged = false
    this.#around.observer.wiped(this)
  }

  /** It stands still for `ms`, and then goes on as if nothing had been. */
  pause(ms: number): void {
    if (this.#paused || !this.isUp) return
    const { world } = this.#around
    const { boot } = this
    world.note(`${this.id} is paused`, Math.round(ms))
    this.#paused = true
    world.after(ms, () => {
      if (this.boot !== boot) return
      world.note(`${this.id} goes on`)
      this.#paused = false
      this.resumedMs = world.nowMs
      const held = this.#held
      this.#held = []
      // Timers that are due run first, then the sockets are read, then the turn ends.
      for (const phase of [TIMERS, SOCKETS, TURN]) {
        for (const task of held) if (task.phase === phase) this.#enter(phase, task.run)
      }
    })
  }

  /** A client's request, or a message, reaches the process. */
  arrive(run: () => void): void {
    this.#enter(SOCKETS, run)
  }

  accept(socket: Socket): SocketEvents {
    return present(this.#process?.mesh, 'only the production mesh listens').accept(socket)
  }

  receivePacket(from: NodeId, packet: Packet): void {
    this.arrive(() => this.#process?.light?.receive(from, packet))
  }

  /** The network breaks its link to a peer; this end is told. */
  breakLink(peer: NodeId): void {
    this.arrive(() => this.#process?.light?.broken(peer))
  }

  /** The snapshot that others can fetch here now. */
  get kept(): SimStore['kept'] {
    return this.#process?.store.kept ?? null
  }

  #later(ms: number, phase: Phase, run: () => void): () => void {
    const { boot } = this
    return this.#around.world.after(ms, () => {
      if (this.boot === boot) this.#enter(phase, run)
    })
  }

  #enter(phase: Phase, run: () => void): void {
    if (this.#process === null) return
    if (this.#paused) {
      this.#held.push({ phase, run })
      return
    }
    this.#guard(run)
    if (!this.isUp) return
    this.#around.observer.stepped(this)
    if (this.#readMs > 0) this.#waitForReads()
  }

  /** Reads are synchronous: nothing else is done meanwhile. */
  #waitForReads(): void {
    const ms = this.#readMs
    this.#readMs = 0
    this.#around.sometimes.met('a slow read held a node up')
    this.pause(ms)
  }

  /** What the production code throws ends the process; but for a disk's refusal it is a bug. */
  #guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      if (error instanceof Violation) throw error
      if (isDiskError(error)) return this.#dieOfDisk() // At once: it may be half-way into an install.
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
      throw new Violation('a node never fails by itself', `${this.id}: ${text}`)
    }
  }

  /** Null where the disk refused: that process ends, and another one tries. */
  #tryOpen(): Process | null {
    try {
      return this.#openProcess()
    } catch (error) {
      if (isRefusal(error)) this.#refuse(error)
      else if (isDiskError(error)) this.#startAgain(error)
      else throw error
      return null
    }
  }

  #startAgain(error: Error): void {
    this.#around.world.note(`${this.id} cannot start`, 0, () => error.message)
    this.disk.kill()
    this.#around.world.after(RESTART_MS, () => {
      if (!this.isUp) this.start()
    })
  }

  /** Exit code 3: somebody moves the directory away, as the message says. */
  #refuse(error: Error): void {
    insist(this.isDamaged, 'only a damaged log is refused', () => `${this.id}: ${error.message}`)
    this.#around.world.note(`${this.id} refuses its log`, 0, () => error.message)
    this.#around.sometimes.met('damage before the durable end was found')
    this.disk.kill()
    this.#around.world.after(this.#chance.ms(50, OPERATOR_MS), () => {
      if (this.isUp) return
      if (this.isDamaged) this.wipe()
      this.start()
    })
  }

  #openProcess(): Process {
    return openProcess({
      node: this,
      around: this.#around,
      chance: this.#chance,
      later: (ms, phase, run) => this.#later(ms, phase, run),
      setTimer: (ms, run) => this.#setTimer(ms, run),
      dieOfDisk: () => this.#dieOfDisk(),
      misplaced: (reason) => this.#misplaced(reason),
    })
  }

  #dieOfDisk(): void {
    this.#around.world.note(`${this.id} dies of its disk`)
    this.crash(false)
    this.#around.world.after(RESTART_MS, () => {
      if (!this.isUp) this.start()
    })
  }

  #setTimer(ms: number, run: () => void): () => void {
    // A timer of a real loop is never early, and often late by its granularity.
    const lateMs = this.#chance.ms(0, 1)
    return this.#later(this.clock.trueSpan(Math.max(0, ms)) + lateMs, TIMERS, run)
  }
}

function isNewest(command: Command): boolean {
  if (command.type === 'cluster_version') return command.version >= CLUSTER_VERSION_MAX
  return sinceClusterVersion(command) >= CLUSTER_VERSION_MAX
}

/** What the log throws that cannot vouch for what it promised. */
function isRefusal(error: unknown): error is Error {
  return error instanceof WalDamaged || error instanceof WalMismatch
}

/** What `SimDisk` throws when it was told to fail, or is full. */
function isDiskError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { code } = error as Error & { readonly code?: unknown }
  return code === 'EIO' || code === 'ENOSPC'
}
