/**
 * One machine: the production log, replica, gateway and (in some seeds) mesh over simulated ports.
 * A crash throws all of it away but the disk.
 */
import { assert, present } from '../../src/lib/assert.ts'
import { silentLogger, type Logger } from '../../src/lib/logger.ts'
import { hmacSha256, Mesh, meshConfig } from '../../src/mesh/mod.ts'
import type { PeerIdentity, PeerMessage, Socket, SocketEvents } from '../../src/mesh/mod.ts'
import { decodeMembership, raftConfig, type Clock, type NodeId } from '../../src/raft/mod.ts'
import type {
  EntryId,
  InitialState,
  LogWrite,
  MembershipAt,
  Raft,
  Term,
} from '../../src/raft/mod.ts'
import { foundingList, Gateway, Replica } from '../../src/replica/mod.ts'
import type { FoundingMember, LogPort, MeshPort, ReplicaPorts } from '../../src/replica/mod.ts'
import type { StateMachine } from '../../src/state/mod.ts'
import { Wal } from '../../src/storage/mod.ts'
import { SimDisk } from '../support/sim-disk.ts'
import type { Chance } from './chance.ts'
import { LightMesh, type Packet } from './light-mesh.ts'
import { LogView } from './log-view.ts'
import type { Network } from './network.ts'
import { NodeClock } from './node-clock.ts'
import type { Observer } from './observer.ts'
import type { History } from './oracle/history.ts'
import type { Plan } from './plan.ts'
import { dial, type Endpoint } from './sockets.ts'
import type { Sometimes } from './sometimes/mod.ts'
import type { StateSource } from './state-source.ts'
import { SimStore } from './store.ts'
import { Violation } from './violation.ts'
import type { World } from './world.ts'

export interface Surroundings {
  readonly world: World
  readonly plan: Plan
  readonly network: Network
  readonly observer: Observer
  readonly states: StateSource
  readonly history: History
  readonly sometimes: Sometimes
  readonly founding: readonly FoundingMember[]
  /** A number that was never given out in this run. */
  next(): number
  node(id: NodeId): SimNode
}

/** What one process is made of. */
interface Process {
  readonly wal: Wal
  readonly state: StateMachine
  readonly replica: Replica
  readonly gateway: Gateway
  readonly store: SimStore
  readonly light: LightMesh | null
  readonly mesh: Mesh | null
}

/** How soon somebody starts a process again that ended by itself. */
const RESTART_MS = 200

/** In which order what waited is done after a pause: as an event loop does. */
type Phase = 0 | 1 | 2
const TIMERS: Phase = 0
const SOCKETS: Phase = 1
const TURN: Phase = 2

export class SimNode implements Endpoint {
  readonly id: NodeId
  readonly at: number
  /** It votes and keeps no data. */
  readonly isWitness: boolean
  readonly clock: NodeClock
  readonly disk: SimDisk
  readonly view = new LogView()
  boot = 0
  /** Over all its lives. */
  readonly counts = { compactions: 0, installs: 0 }
  /** A pause of the disk: what is synced until then ends only then. */
  diskStalledUntilMs = 0
  /** Told when the process dies: clients whose connection is lost. */
  readonly onDeath = new Set<() => void>()
  readonly #around: Surroundings
  readonly #chance: Chance
  #process: Process | null = null
  #paused = false
  #held: { readonly phase: Phase; readonly run: () => void }[] = []

  constructor(around: Surroundings, at: number, chance: Chance) {
    const { world, plan } = around
    this.#around = around
    this.#chance = chance
    this.at = at
    this.id = `n${at + 1}`
    this.isWitness = at >= plan.nodes - plan.witnesses
    this.clock = new NodeClock(world.nowMs, chance.ms(0, 1e6), this.drawRate())
    this.disk = new SimDisk({
      random: chance.random,
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

  get url(): string {
    return `http://${this.id}`
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
    this.#paused = false
    this.#held = []
    this.clock.restart(world.nowMs, this.#chance.ms(1, 1e6))
    world.note(`${this.id} starts`, this.boot)
    this.#guard(() => {
      const process = this.#tryOpen()
      if (process === null) return
      this.#process = process
      this.view.recovered(process.wal.recovered, this.#committedTerms())
      observer.started(this)
      process.replica.start()
      observer.stepped(this)
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
  get kept(): EntryId | null {
    return this.#process?.store.kept ?? null
  }

  #committedTerms(upTo = Infinity): readonly Term[] {
    return this.#around.history.entries.slice(0, upTo).map(({ entry }) => entry.term)
  }

  #openStore(wal: Wal, state: StateMachine): SimStore {
    const { network, states } = this.#around
    return new SimStore({
      id: this.id,
      chance: this.#chance,
      states,
      state,
      wal,
      later: (ms, run) => void this.#later(ms, SOCKETS, run),
      reaches: (id) => {
        const { at } = this.#around.node(id)
        return !network.isCut(this.at, at) && !network.isCut(at, this.at)
      },
      keptBy: (id) => this.#around.node(id).kept,
      installing: (snapshot) => {
        this.counts.installs += 1
        if (this.isWitness) this.#around.sometimes.met('a witness was given its place')
        this.#around.world.note(`${this.id} installs a snapshot`, snapshot.index)
        this.view.installing(this.#committedTerms(snapshot.index))
      },
    })
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
    if (this.isUp) this.#around.observer.stepped(this)
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
      return this.#open()
    } catch (error) {
      if (!isDiskError(error)) throw error
      this.#around.world.note(`${this.id} cannot start`, 0, () => error.message)
      this.disk.kill()
      this.#around.world.after(RESTART_MS, () => {
        if (!this.isUp) this.start()
      })
      return null
    }
  }

  #open(): Process {
    const { plan, states, founding } = this.#around
    const before = states.appliedBy(this.id)
    const wal = Wal.open(this.disk, {
      segmentBytes: plan.segmentBytes,
      nodeId: this.id,
      newNodeId: () => this.id,
      witness: this.isWitness,
      newIncarnation: () => `r${this.#chance.int(0, 0xffff_ffff)}-${this.#around.next()}`,
      appliedIndex: before.index,
      appliedTerm: before.index === 0 ? null : before.term,
      installed: states.installedAt(this.id),
      onFailure: () => this.#later(0, TURN, () => this.#dieOfDisk()),
    })
    const state = states.open(this.id)
    const { nodeId: id, incarnation, clusterId } = wal.identity
    const identity: PeerIdentity = {
      id,
      incarnation,
      clusterId,
      foundingList: foundingList(founding),
      url: this.url,
      membershipIndex: 0,
      join: null,
      witness: this.isWitness,
      version: '0.1.0',
    }
    const meshes = this.#openMesh(identity)
    const port = present(meshes.mesh ?? meshes.light, 'one mesh or the other')
    const raft = raftConfig({
      id,
      incarnation,
      witness: this.isWitness,
      random: this.#chance.random,
      heartbeatMs: plan.heartbeatMs,
      electionMinMs: plan.electionMinMs,
      electionMaxMs: plan.electionMaxMs,
      clockDrift: plan.clockDrift,
      ...plan.raft,
    })
    const initial = this.#initialState(state, wal)
    const store = this.#openStore(wal, state)
    const replica = new Replica(
      { raft, initial, identity, founding, config: plan.upkeep },
      state,
      this.#ports(wal, port, store),
    )
    const gateway = new Gateway(replica, {
      url: this.url,
      version: '0.1.0',
      sqlite: 'simulated',
      startedMs: 0,
      storage: () => ({ walBytes: 0, stateBytes: 0 }),
      metrics: () => new Map(),
    })
    return { wal, state, replica, gateway, store, ...meshes }
  }

  /** As `src/node.ts` puts it together. */
  #initialState(state: StateMachine, wal: Wal): InitialState {
    const { recovered, storedLog } = wal
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
      clock: this.readClock(),
    }
  }

  #dieOfDisk(): void {
    this.#around.world.note(`${this.id} dies of its disk`)
    this.crash(false)
    this.#around.world.after(RESTART_MS, () => {
      if (!this.isUp) this.start()
    })
  }

  #ports(wal: Wal, mesh: MeshPort, store: SimStore): ReplicaPorts {
    const { observer, plan, world } = this.#around
    const log: LogPort = {
      get acceptsWrites() {
        return wal.acceptsWrites
      },
      get busy() {
        return wal.busy
      },
      tick: (nowMs) => wal.tick(nowMs),
      stats: () => wal.stats(),
      compact: (bounds) => {
        const before = wal.start.index
        const start = wal.compact(bounds)
        if (start.index > before) this.counts.compactions += 1
        return start
      },
      setClusterId: (clusterId) => wal.setClusterId(clusterId),
      read: (from, to, bytesMax) => wal.read(from, to, bytesMax),
      write: (write, done) => this.#write(wal, write, done),
    }
    return {
      clock: () => this.readClock(),
      random: this.#chance.random,
      setTimer: (ms, run) => this.#setTimer(ms, run),
      defer: (run) => void this.#later(this.#chance.ms(0, plan.turnMaxMs), TURN, run),
      log,
      mesh: {
        send: (to, message) => {
          if (message.type === 'raft') observer.sending(this, message.message)
          return mesh.send(to, message)
        },
        flush: () => mesh.flush(),
        setPeers: (peers) => mesh.setPeers(peers),
        setContact: (url) => mesh.setContact(url),
        setIdentity: (identity) => mesh.setIdentity(identity),
        foreigners: () => mesh.foreigners(),
        peers: () => mesh.peers(),
      },
      store,
      logger: world.trace.isRead ? this.#logger() : silentLogger,
      misplaced: (reason) => world.note(`${this.id} is misplaced: ${reason}`),
      newClusterId: () => `c${this.#around.next()}`,
    }
  }

  #write(wal: Wal, write: LogWrite, done: () => void): void {
    this.#around.observer.writing(this, write)
    wal.write(write, () => {
      this.view.persisted(write.write)
      done()
    })
  }

  #setTimer(ms: number, run: () => void): () => void {
    // A timer of a real loop is never early, and often late by its granularity.
    const lateMs = this.#chance.ms(0, 1)
    return this.#later(this.clock.trueSpan(Math.max(0, ms)) + lateMs, TIMERS, run)
  }

  #logger(): Logger {
    const write = (message: string, fields?: object): void => {
      const { trace, nowMs } = this.#around.world
      trace.comment(nowMs, `${this.id} says: ${message} ${JSON.stringify(fields ?? {})}`)
    }
    return { debug: write, info: write, warn: write, error: write }
  }

  #openMesh(identity: PeerIdentity): Pick<Process, 'light' | 'mesh'> {
    if (this.#around.plan.mesh === 'production') {
      return { light: null, mesh: this.#openProductionMesh(identity) }
    }
    const { plan, network, world } = this.#around
    const peerAt = (id: NodeId): SimNode => this.#around.node(id)
    const light = new LightMesh(identity, {
      encodes: plan.encodes,
      ordered: plan.network.ordered,
      silentMs: plan.electionMaxMs * 2,
      nowMs: () => this.readClock().nowMs,
      setTimer: (ms, run) => this.#setTimer(ms, run),
      newLink: () => this.#around.next(),
      channelTo: (id) => network.channel(this.at, peerAt(id).at),
      transmit: (to, packet, channel) => {
        const peer = peerAt(to)
        const deliver = (): void => peer.receivePacket(this.id, packet)
        if (channel !== null) return channel.send(deliver)
        const lateMs = isVote(packet) ? network.voteLatenessMs(plan.electionMaxMs) : 0
        network.datagram(this.at, peer.at, deliver, lateMs)
      },
      ...this.#meshHost(),
    })
    assert(world.nowMs >= 0, 'the world has begun')
    return { light, mesh: null }
  }

  #openProductionMesh(identity: PeerIdentity): Mesh {
    const { plan, network, founding } = this.#around
    const config = meshConfig({
      identity,
      secret: new Uint8Array([1, 2, 3]),
      dialsAlways: false,
      handshakeMs: plan.electionMaxMs,
      pingMs: Math.floor(plan.electionMaxMs / 2),
      silentMs: plan.electionMaxMs * 2,
      redialMinMs: 20,
      redialMaxMs: 200,
    })
    const dialTo = (url: string, events: SocketEvents): Socket => {
      const member = present(
        founding.find((candidate) => candidate.url === url),
        'a peer has a known address',
      )
      return dial(network, { from: this, to: this.#around.node(member.id) }, events)
    }
    const ports = {
      dial: dialTo,
      nowMs: () => this.readClock().nowMs,
      setTimer: (ms: number, run: () => void) => this.#setTimer(ms, run),
      random: this.#chance.random,
      mac: hmacSha256,
      nonce: () => Uint8Array.from({ length: 32 }, () => this.#chance.int(0, 255)),
      logger: silentLogger,
    }
    return new Mesh(config, ports, this.#meshHost())
  }

  #meshHost(): {
    judge(peer: PeerIdentity): string | null
    up(peer: PeerIdentity): void
    down(id: NodeId): void
    receive(from: NodeId, messages: readonly PeerMessage[]): void
  } {
    return {
      judge: (peer) => this.replica.judge(peer),
      up: (peer) => this.replica.peerUp(peer),
      down: (id) => this.replica.peerDown(id),
      receive: (from, messages) => {
        for (const each of messages) {
          if (each.type === 'raft') this.#around.observer.receiving(this, each.message)
        }
        this.replica.receive(from, messages)
      },
    }
  }
}

function isVote(packet: Packet): boolean {
  if (packet.type !== 'frame') return false
  const [first] = packet.messages
  return first?.type === 'raft' && first.message.type === 'vote_response'
}

/** What `SimDisk` throws when it was told to fail, or is full. */
function isDiskError(error: unknown): error is Error {
  if (!(error instanceof Error)) return false
  const { code } = error as Error & { readonly code?: unknown }
  return code === 'EIO' || code === 'ENOSPC'
}
