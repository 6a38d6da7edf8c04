/**
 * What one process is made of: the production log, replica, gateway and mesh over simulated ports.
 * As `src/node.ts` puts it together.
 */
import { present } from '../../src/lib/assert.ts'
import { silentLogger, type Logger } from '../../src/lib/logger.ts'
import type { Mesh, PeerIdentity } from '../../src/mesh/mod.ts'
import { raftConfig, type LogWrite, type RaftConfig, type Term } from '../../src/raft/mod.ts'
import { foundingList, Gateway, initialState, Replica } from '../../src/replica/mod.ts'
import type { LogPort, MeshPort, ReplicaPorts } from '../../src/replica/mod.ts'
import type { StateMachine } from '../../src/state/mod.ts'
import { Wal } from '../../src/storage/mod.ts'
import type { Chance } from './chance.ts'
import type { LightMesh } from './light-mesh.ts'
import { openLightMesh, openProductionMesh } from './meshes.ts'
import type { SimNode } from './node.ts'
import { timesOf } from './plan.ts'
import { SimStore } from './store.ts'
import { SOCKETS, TURN, type Phase, type Surroundings } from './surroundings.ts'

export interface Process {
  readonly wal: Wal
  readonly state: StateMachine
  readonly replica: Replica
  readonly gateway: Gateway
  readonly store: SimStore
  readonly light: LightMesh | null
  readonly mesh: Mesh | null
}

/** What a machine offers to its process; all of it ends with the process. */
export interface ProcessHost {
  readonly node: SimNode
  readonly around: Surroundings
  readonly chance: Chance
  later(ms: number, phase: Phase, run: () => void): () => void
  setTimer(ms: number, run: () => void): () => void
  /** The log has failed. */
  dieOfDisk(): void
  /** It is not to run here, or not this program. */
  misplaced(reason: string): void
}

/** Opens what is on the disk. Throws what the log throws, and what the disk does. */
export function openProcess(host: ProcessHost): Process {
  const { node, around } = host
  const wal = openWal(host)
  node.view.recovered(wal.recovered, committedTerms(around))
  const state = around.states.open(node.id)
  const { nodeId: id, incarnation, clusterId } = wal.identity
  const identity: PeerIdentity = {
    id,
    incarnation,
    clusterId,
    foundingList: foundingList(around.founding),
    url: node.url,
    membershipIndex: 0,
    join: null,
    witness: node.isWitness,
    version: '0.1.0',
    clusterVersionMax: node.clusterVersionMax,
  }
  const ofProduction = around.plan.mesh === 'production'
  const light = ofProduction ? null : openLightMesh(host, identity, () => replica)
  const mesh = ofProduction ? openProductionMesh(host, identity, () => replica) : null
  const store = openStore(host, wal, state)
  const port = present(mesh ?? light, 'one mesh or the other')
  const { upkeep, custody, watch, history, removeDeadAfterMs } = around.plan
  const replica: Replica = new Replica(
    {
      raft: raftConfigOf(host, identity),
      initial: initialState(state, wal, node.readClock()),
      identity,
      founding: around.founding,
      config: { ...upkeep, ...custody, ...watch, ...history, removeDeadAfterMs },
    },
    state,
    portsOf(host, wal, port, store),
  )
  const gateway = new Gateway(replica, {
    url: node.url,
    version: '0.1.0',
    sqlite: 'simulated',
    startedMs: 0,
    storage: () => ({ walBytes: 0, stateBytes: 0 }),
    metrics: () => new Map(),
  })
  return { wal, state, replica, gateway, store, light, mesh }
}

function openWal(host: ProcessHost): Wal {
  const { node, around, chance } = host
  const applied = around.states.appliedBy(node.id)
  return Wal.open(node.disk, {
    segmentBytes: around.plan.segmentBytes,
    nodeId: node.id,
    newNodeId: () => node.id,
    witness: node.isWitness,
    newIncarnation: () => `r${chance.int(0, 0xffff_ffff)}-${around.next()}`,
    appliedIndex: applied.index,
    appliedTerm: applied.index === 0 ? null : applied.term,
    installed: around.states.installedAt(node.id),
    onFailure: () => host.later(0, TURN, () => host.dieOfDisk()),
  })
}

function raftConfigOf({ node, around, chance }: ProcessHost, identity: PeerIdentity): RaftConfig {
  const { clockDrift, raft } = around.plan
  const { id, incarnation } = identity
  const { random } = chance
  const timing = { ...timesOf(around.plan, node.at), clockDrift }
  return raftConfig({ id, incarnation, witness: node.isWitness, random, ...timing, ...raft })
}

function committedTerms({ history }: Surroundings, upTo = Infinity): readonly Term[] {
  return history.entries.slice(0, upTo).map(({ entry }) => entry.term)
}

function openStore(host: ProcessHost, wal: Wal, state: StateMachine): SimStore {
  const { node, around, chance } = host
  const { network, states, observer, world } = around
  return new SimStore({
    id: node.id,
    chance,
    states,
    state,
    wal,
    later: (ms, run) => void host.later(ms, SOCKETS, run),
    reaches: (id) => {
      const { at } = around.node(id)
      return !network.isCut(node.at, at) && !network.isCut(at, node.at)
    },
    keptBy: (id) => around.node(id).kept,
    installing: (snapshot) => {
      node.counts.installs += 1
      if (node.isWitness) around.sometimes.met('a witness was given its place')
      if (node.replica.watches.size > 0) around.sometimes.met('a watch went on in a snapshot')
      world.note(`${node.id} installs a snapshot`, snapshot.index)
      node.view.installing(committedTerms(around, snapshot.index))
      observer.installing(node, snapshot.index)
    },
  })
}

function portsOf(host: ProcessHost, wal: Wal, mesh: MeshPort, store: SimStore): ReplicaPorts {
  const { node, around, chance } = host
  const { observer, plan, world } = around
  return {
    clock: () => node.readClock(),
    random: chance.random,
    setTimer: (ms, run) => host.setTimer(ms, run),
    defer: (run) => void host.later(chance.ms(0, plan.turnMaxMs), TURN, run),
    log: logPort(host, wal),
    mesh: {
      send: (to, message) => {
        if (message.type === 'raft') observer.sending(node, message.message)
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
    logger: world.trace.isRead ? loggerOf(node, around) : silentLogger,
    misplaced: (reason) => host.misplaced(reason),
    newClusterId: () => `c${around.next()}`,
  }
}

function logPort({ node, around }: ProcessHost, wal: Wal): LogPort {
  const { observer } = around
  return {
    get commandBytesMax() {
      return wal.commandBytesMax
    },
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
      if (start.index > before) {
        node.counts.compactions += 1
        observer.compacted(node, start)
      }
      return start
    },
    setClusterId: (clusterId) => wal.setClusterId(clusterId),
    read: (from, to, bytesMax) => wal.read(from, to, bytesMax),
    write: (write: LogWrite, done) => {
      observer.writing(node, write)
      wal.write(write, () => {
        observer.persisted(node, write)
        done()
      })
    },
  }
}

function loggerOf(node: SimNode, { world }: Surroundings): Logger {
  const write = (message: string, fields?: object): void => {
    const { trace, nowMs } = world
    trace.comment(nowMs, `${node.id} says: ${message} ${JSON.stringify(fields ?? {})}`)
  }
  return { debug: write, info: write, warn: write, error: write }
}
