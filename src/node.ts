/**
 * One node put together: directory, log, state, core, mesh, edge. Everything here is wiring; what
 * a node does stands in the folders.
 *
 * @module
 */
import { randomBytes, randomInt, randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import process from 'node:process'
import { setImmediate } from 'node:timers'
import { createApp, unavailable } from './http/mod.ts'
import { deferred } from './lib/deferred.ts'
import { Drain } from './lib/drain.ts'
import { PACKAGED } from './lib/packaged.ts'
import { atMost, setTimer } from './lib/timer.ts'
import { closeNow, listen, urlOf, type Servers } from './listen.ts'
import {
  hmacSha256,
  Mesh,
  meshConfig,
  randomNonce,
  serveSnapshot,
  type PeerIdentity,
} from './mesh/mod.ts'
import { StartError, type Bindings, type NodeOptions, type RunningNode } from './node-options.ts'
import { raftConfig, type Clock, type InitialState } from './raft/mod.ts'
import { foundingList, Gateway, initialState, Replica, type ReplicaPorts } from './replica/mod.ts'
import {
  isDataDirectory,
  loadDial,
  lockDirectory,
  openDisk,
  loadSql,
  logOf,
  StateStore,
  ValueWorker,
  type Dial,
  type DirectoryLock,
} from './runtime/mod.ts'
import { inUse, startError } from './start-error.ts'
import { CLUSTER_VERSION_MAX, type SqlDriver } from './state/mod.ts'
import { Wal } from './storage/mod.ts'

/** Of the 10 s that a stop may take: for handing leadership over, which takes two round trips, */
const HAND_OVER_MS = 1_500
/** for requests under way to end as they would have, */
const DRAIN_MS = 4_000
/** for their answers to leave, where a client reads slowly, */
const FAREWELL_MS = 2_000
/** and for what is under way on the database's files. */
const STORE_MS = 1_000
/** Of one check of a value: a mebibyte of YAML takes half of it. */
const VALUE_CHECK_MS = 2_000
/** Of a snapshot: what other writers are left on an ordinary disk. */
const COPY_BYTES_PER_SECOND = 192 * 1024 * 1024

/**
 * Starts a node: resolves once it listens, where it is to listen. Rejects with {@link StartError},
 * and leaves nothing.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const startedMs = performance.now()
  const closing = new AbortController()
  const failed = deferred<Error>()
  const drain = new Drain()
  let node: Assembled | null = null

  const answer: RunningNode['fetch'] = (request, bindings) => {
    if (node === null) return unavailable(request, 'this node is starting', null)
    if (drain.closed) return unavailable(request, 'this node is stopping', node.registry)
    const { app } = node
    return drain.run(() => app.fetch(request, bindings))
  }
  // The port first: where it is taken, nothing is touched on disk.
  const servers = await listen(options, {
    fetch: answer,
    mesh: (socket) => (node === null ? refuse(socket) : node.mesh.accept(socket)),
  })
  const url = options.dialsOnly ? null : (options.advertise ?? urlOf(servers))
  try {
    node = await assemble(options, {
      url,
      startedMs,
      closing: closing.signal,
      onFailure: (error) => failed.resolve(error),
    })
  } catch (error) {
    closeNow(servers)
    throw startError(error, options)
  }
  node.replica.start()
  const running = node
  return {
    url: servers.api?.url ?? null,
    id: running.replica.identity.id,
    sqlite: running.sqlite,
    fetch: answer,
    status: () => running.registry.status(),
    stop: once(() => stopNode(running, servers, { closing, drain })),
    abandon: () => abandon(running, servers, { closing, drain }),
    failed: failed.promise,
  }
}

/** A peer that dials before this node is ready tries again. */
function refuse(socket: { close(): void }): { open(): void; message(): void; close(): void } {
  socket.close()
  return { open: () => {}, message: () => {}, close: () => {} }
}

interface Assembled {
  readonly app: { fetch(request: Request, given: Bindings): Response | Promise<Response> }
  readonly registry: Gateway
  readonly replica: Replica
  readonly mesh: Mesh
  readonly wal: Wal
  readonly store: StateStore
  readonly lock: DirectoryLock
  readonly checks: ValueWorker
  readonly sqlite: SqlDriver
}

interface Surroundings {
  /** Where others reach this node; null: nowhere. */
  readonly url: string | null
  readonly startedMs: number
  readonly closing: AbortSignal
  onFailure(error: Error): void
}

async function assemble(options: NodeOptions, around: Surroundings): Promise<Assembled> {
  const { dataDir, logger, version } = options
  checkFirstStart(options)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const lock = await lockDirectory(dataDir)
  if (lock === null) throw inUse(dataDir, 'stop it, or choose another with --data')
  try {
    const sql = await loadSql(options.sqlite)
    const store = new StateStore({
      dir: dataDir,
      sql,
      worker: workerScript('state-worker'),
      copyBytesPerSecond: COPY_BYTES_PER_SECOND,
      logger,
      openStream: (to, url, events) => replica.mesh.openStream(to, url, events),
      restartLog: (at) => wal.restart(at),
      onFailure: around.onFailure,
    })
    const wal = openLog(options, store, around)
    store.tidy()
    const replica: Running = makeReplica(options, {
      store,
      wal,
      url: around.url,
      dial: await loadDial(),
      onFailure: around.onFailure,
    })
    const registry = new Gateway(replica.replica, {
      url: around.url,
      version,
      sqlite: sql.driver,
      startedMs: around.startedMs,
      storage: () => ({ walBytes: wal.stats().walBytes, stateBytes: store.stateBytes }),
      metrics: () => nodeMetrics(wal),
    })
    const script = workerScript('value-worker')
    const checks = new ValueWorker({ script, budgetMs: VALUE_CHECK_MS })
    const app = createApp({
      registry,
      version,
      logger,
      allowedHosts:
        options.allowedHosts === undefined
          ? allowedHosts(options, around.url)
          : options.allowedHosts,
      closing: around.closing,
      forward: options.witness ? askLeader : null,
      checks,
    })
    return { app, registry, ...replica, wal, store, lock, checks, sqlite: sql.driver }
  } catch (error) {
    lock.release()
    throw error
  }
}

/** A file of its own beside this one, in the executable and in the package. */
function workerScript(name: 'state-worker' | 'value-worker'): URL {
  return new URL(`./${name}.${PACKAGED ? 'js' : 'ts'}`, import.meta.url)
}

/** Later the stored membership says whom a witness belongs to; an empty one has to be told. */
function checkFirstStart({ witness, join, cluster, dataDir }: NodeOptions): void {
  if (!witness || join !== null || cluster !== null || isDataDirectory(dataDir)) return
  const what = '--witness needs --join URL, or --cluster, at its first start'
  throw new StartError(2, `${what}: a witness alone has no data; ${dataDir} is empty`)
}

/** A runtime may try a pooled connection that was lost once more: a write must be sent once. */
function askLeader(request: Request): Promise<Response> {
  return fetch(request, { keepalive: request.method === 'GET' })
}

function openLog(options: NodeOptions, store: StateStore, around: Surroundings): Wal {
  const { state, installed, foundedAnew } = store
  return Wal.open(openDisk(logOf(options.dataDir)), {
    segmentBytes: options.walSegmentBytes,
    nodeId: options.id,
    newNodeId: () => `node-${randomBytes(4).toString('hex')}`,
    newIncarnation: () => randomBytes(16).toString('hex'),
    witness: options.witness,
    appliedIndex: state.appliedIndex,
    appliedTerm: state.appliedIndex === 0 ? null : state.appliedTerm,
    installed,
    foundedAnew,
    onFailure: (error) => around.onFailure(error),
  })
}

interface Parts {
  readonly store: StateStore
  readonly wal: Wal
  readonly url: string | null
  readonly dial: Dial
  onFailure(error: Error): void
}

interface Running {
  readonly replica: Replica
  readonly mesh: Mesh
}

function makeReplica(options: NodeOptions, parts: Parts): Running {
  const { store, wal, url } = parts
  const { state } = store
  const { nodeId: id, incarnation, clusterId } = wal.identity
  const alone = options.witness ? [] : [{ id, url }] // A witness founds nothing.
  const founding = options.join === null ? (options.cluster ?? alone) : []
  const identity: PeerIdentity = {
    id,
    incarnation,
    clusterId,
    foundingList: founding.length === 0 ? null : foundingList(founding),
    url,
    membershipIndex: 0,
    join: options.join?.role ?? null,
    witness: options.witness,
    version: options.version,
    clusterVersionMax: CLUSTER_VERSION_MAX,
  }
  const initial = initialState(state, wal, readClock())
  warnOfOtherList(options, initial)
  const mesh = makeMesh(options, identity, { store, dial: parts.dial, replica: () => replica })
  const replica: Replica = new Replica(
    {
      raft: raftConfig({
        id,
        incarnation,
        witness: options.witness,
        random: (bound) => randomInt(bound),
        heartbeatMs: options.heartbeatMs,
        electionMinMs: options.electionMinMs,
        electionMaxMs: options.electionMaxMs,
        clockDrift: options.clockDrift,
        applyEntriesMax: options.applyEntriesMax,
      }),
      initial,
      identity,
      founding,
      contact: options.join?.url ?? null,
      config: {
        checkpointBytes: options.checkpointBytes,
        resetBytes: 4 * options.checkpointBytes,
        tailBytes: options.walTailBytes,
        logBytesMax: options.walBytesMax,
        removeDeadAfterMs: options.removeDeadAfterMs,
        history: options.history,
      },
    },
    state,
    replicaPorts(options, { wal, mesh, store, onFailure: parts.onFailure }),
  )
  return { replica, mesh }
}

/** `--cluster` describes the first start only; afterwards the stored membership wins. */
function warnOfOtherList(options: NodeOptions, initial: InitialState): void {
  const stored = initial.memberships.at(-1)?.membership.members
  if (stored === undefined || options.cluster === null) return
  const known = foundingList(stored)
  const given = foundingList(options.cluster)
  if (known !== given) {
    options.logger.warn('--cluster differs from the stored membership, which wins', {
      known,
      given,
    })
  }
}

function makeMesh(
  options: NodeOptions,
  identity: PeerIdentity,
  { store, dial, replica }: Pick<Parts, 'store' | 'dial'> & { replica(): Replica },
): Mesh {
  return new Mesh(
    meshConfig({ identity, secret: options.clusterSecret, dialsAlways: options.dialsOnly }),
    {
      dial,
      nowMs: () => performance.now(),
      setTimer,
      random: (bound) => randomInt(bound),
      mac: hmacSha256,
      nonce: randomNonce,
      logger: options.logger,
    },
    {
      judge: (peer) => replica().links.judge(peer),
      up: (peer) => replica().links.up(peer),
      down: (id) => replica().links.down(id),
      stream: (_, stream) => serveSnapshot(stream, (snapshot) => store.find(snapshot)),
      receive: (from, messages) => replica().links.receive(from, messages),
    },
  )
}

function replicaPorts(
  options: NodeOptions,
  parts: Pick<Parts, 'wal' | 'store' | 'onFailure'> & { readonly mesh: Mesh },
): ReplicaPorts {
  const { wal, mesh, store } = parts
  return {
    clock: readClock,
    random: (bound) => randomInt(bound),
    setTimer,
    defer: (run) => void setImmediate(run),
    log: wal,
    mesh,
    store,
    logger: options.logger,
    newClusterId: () => randomUUID(),
    misplaced: (reason) => parts.onFailure(new StartError(3, reason)),
  }
}

function readClock(): Clock {
  return { nowMs: performance.now(), wallMs: Date.now() }
}

/**
 * On loopback only our own names are answered, against DNS rebinding: a page in a browser must
 * not reach a registry that listens for this machine alone. A listener for others is reached by
 * names that we cannot know.
 */
function allowedHosts(options: NodeOptions, url: string | null): readonly string[] | null {
  const host = options.listen?.host ?? 'localhost'
  const isLoopback = host === 'localhost' || host === '::1' || host.startsWith('127.')
  return isLoopback ? [url === null ? host : new URL(url).hostname] : null
}

function nodeMetrics(wal: Wal): ReadonlyMap<string, number> {
  const { batches, syncs, bytesWritten } = wal.stats()
  const { user, system } = process.cpuUsage()
  return new Map([
    ['rollcall_process_resident_memory_bytes', process.memoryUsage.rss()],
    ['rollcall_process_cpu_microseconds_total', user + system],
    ['rollcall_wal_batches_total', batches],
    ['rollcall_wal_syncs_total', syncs],
    ['rollcall_wal_written_bytes_total', bytesWritten],
  ])
}

/**
 * The graceful end: long polls are let go and nothing new is taken; requests under way are
 * finished while the replica and its links still work, by the next leader where this one led; then
 * the log is synced and closed.
 */
async function stopNode(
  node: Assembled,
  servers: Servers,
  ending: { readonly closing: AbortController; readonly drain: Drain },
): Promise<void> {
  ending.closing.abort()
  const drained = ending.drain.close()
  await new Promise<void>((resolve) => node.replica.handOver(HAND_OVER_MS, resolve))
  await atMost(DRAIN_MS, drained)
  node.replica.endRequests()
  await atMost(HAND_OVER_MS, drained)
  node.replica.stop()
  node.mesh.stop()
  // An answer that was made is not yet one that was sent: only the server knows when it is.
  const sent = Promise.all([servers.api?.stop(), servers.mesh?.stop()])
  await atMost(FAREWELL_MS, sent)
  closeNow(servers)
  node.checks.close()
  node.wal.close()
  // What is under way beside the loop, a copy say, is not waited for long.
  await atMost(STORE_MS, node.store.close())
  node.store.state.close()
  node.lock.release()
}

/**
 * The end of a node that cannot go on, in a process that can: nothing is finished, synced or
 * released. What its disk holds is known only to a process that starts anew, which this one's lock
 * on the directory sees to.
 */
function abandon(
  node: Assembled,
  servers: Servers,
  ending: { readonly closing: AbortController; readonly drain: Drain },
): void {
  ending.closing.abort()
  void ending.drain.close()
  node.replica.endRequests()
  node.replica.stop()
  node.mesh.stop()
  closeNow(servers)
}

function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null
  return () => (running ??= run())
}
