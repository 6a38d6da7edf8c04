/** From settings to the options of one node: the rules of API.md, "Starting nodes". */
import type { NodeOptions } from '../../node-options.ts'
import { formatDuration } from '../../lib/duration.ts'
import { EMPTY_BYTES, utf8 } from '../../lib/bytes.ts'
import { messageOf } from '../../lib/text.ts'
import { addressOf, isLoopback, isNumeric, isWildcard, urlOf } from './addresses.ts'
import { UsageError } from '../errors.ts'
import type { Settings } from '../usage/settings.ts'
import type { Address } from '../usage/values.ts'

/** All but what the process brings along. */
export type ServeOptions = Omit<NodeOptions, 'version' | 'logger' | 'listen'> & {
  readonly listen: Address
}

const SECRET_BYTES_MIN = 16
const KIB = 1_024

type Sizes = Pick<
  NodeOptions,
  'walSegmentBytes' | 'walTailBytes' | 'walBytesMax' | 'checkpointBytes'
>

/** Of a witness, which holds no payloads: whatever it has let go of is offered to it in one frame. */
const WITNESS_SIZES: Sizes = {
  walSegmentBytes: KIB * KIB,
  walTailBytes: 512 * KIB,
  walBytesMax: 4 * KIB * KIB,
  checkpointBytes: 256 * KIB,
}

/** A wide network: an ocean's round trip is 200 ms, so a lost heartbeat must cost no election. */
const TIMINGS = {
  lan: { heartbeatMs: 100, electionMinMs: 600, electionMaxMs: 1_000 },
  wan: { heartbeatMs: 500, electionMinMs: 3_000, electionMaxMs: 5_000 },
}

/** Checks what only all flags together can show. Throws `UsageError`. */
export function serveOptions(settings: Settings, readFile: (path: string) => string): ServeOptions {
  const listen = settings.need('listen')
  const peerListen = settings.value('peer-listen')
  checkListeners(settings, listen, peerListen)
  const own = checkCluster(settings, listen, peerListen)
  const witness = isWitness(settings)
  return {
    id: settings.value('id'),
    listen,
    peerListen,
    // The list says how others reach this node, where no flag says it.
    advertise: own.dialsOnly ? null : (settings.value('advertise') ?? own.url),
    dialsOnly: own.dialsOnly,
    dataDir: settings.value('data') ?? 'rollcall-data',
    cluster: settings.value('cluster'),
    join: joinOf(settings),
    witness,
    applyEntriesMax: settings.need('apply-batch'),
    clusterSecret: clusterSecret(settings, readFile),
    ...timing(settings),
    removeDeadAfterMs: removeDeadAfterMs(settings),
    history: {
      versions: settings.need('history-versions'),
      ageMs: settings.need('history-age'),
      feedMs: settings.need('watch-history'),
      feedRevisions: settings.need('watch-history-max'),
    },
    clockDrift: settings.need('clock-drift'),
    sqlite: settings.value('sqlite'),
    ...(witness ? WITNESS_SIZES : sizes(settings)),
  }
}

function sizes(settings: Settings): Sizes {
  return {
    walSegmentBytes: settings.need('wal-segment'),
    walTailBytes: settings.need('wal-tail'),
    walBytesMax: settings.need('wal-max'),
    checkpointBytes: settings.need('checkpoint-size'),
  }
}

/** Whether this node keeps no data. It never leads, so it cannot found. */
function isWitness(settings: Settings): boolean {
  const role = settings.value('role')
  if (settings.value('witness') !== true && role !== 'witness') return false
  const where = settings.nameOf(role === 'witness' ? 'role' : 'witness')
  if (role === 'learner') throw new UsageError(`${where} votes: it is no learner`)
  const cluster = settings.value('cluster')
  if (cluster?.[0]?.id === settings.value('id') && cluster !== null) {
    throw new UsageError(
      `${where}: the lowest id of --cluster, ${cluster[0]?.id}, founds the cluster, and a witness has no data to lead with: give it another id, or let it join`,
    )
  }
  return true
}

/** Where and as what it joins; null where it was not asked to. */
function joinOf(settings: Settings): NodeOptions['join'] {
  const url = settings.value('join')
  const role = settings.value('role')
  if (url === null) {
    if (role !== null && role !== 'witness') {
      throw new UsageError(`${settings.nameOf('role')} needs --join URL`)
    }
    return null
  }
  if (settings.value('cluster') !== null) {
    throw new UsageError(
      `${settings.nameOf('join')} and ${settings.nameOf('cluster')}: a node either joins a cluster or founds one`,
    )
  }
  return { url, role: role === 'learner' ? 'learner' : 'voter' }
}

/** Explicit times win over `--timing`, and must fit each other. */
export function timing(
  settings: Settings,
): Pick<NodeOptions, 'heartbeatMs' | 'electionMinMs' | 'electionMaxMs'> {
  const usual = TIMINGS[settings.need('timing')]
  const range = settings.value('election-timeout')
  const heartbeatMs = settings.value('heartbeat') ?? usual.heartbeatMs
  const electionMinMs = range?.minMs ?? usual.electionMinMs
  const electionMaxMs = range?.maxMs ?? usual.electionMaxMs
  if (electionMinMs < 2 * heartbeatMs) {
    const min = formatDuration(electionMinMs)
    throw new UsageError(
      `${settings.nameOf('heartbeat')}: ${formatDuration(heartbeatMs)} is more than half of the shortest election timeout, ${min}: one lost heartbeat would start an election`,
    )
  }
  return { heartbeatMs, electionMinMs, electionMaxMs }
}

/** A pause that an election bridges must not cost a member its place. */
const DEAD_ELECTIONS_MIN = 3

function removeDeadAfterMs(settings: Settings): number | null {
  const afterMs = settings.value('remove-dead-after')
  const minMs = DEAD_ELECTIONS_MIN * timing(settings).electionMaxMs
  if (afterMs === null || afterMs >= minMs) return afterMs
  throw new UsageError(
    `${settings.nameOf('remove-dead-after')}: ${formatDuration(afterMs)} is less than ${DEAD_ELECTIONS_MIN} of the longest election timeouts, ${formatDuration(minMs)}: a node that restarts would be removed`,
  )
}

function checkListeners(settings: Settings, listen: Address, peerListen: Address | null): void {
  for (const name of ['listen', 'peer-listen'] as const) {
    const address = name === 'listen' ? listen : peerListen
    if (address === null) continue
    const where = `${settings.nameOf(name)} ${hostPort(address)}`
    if (isWildcard(address.host) && settings.value('advertise') === null) {
      throw new UsageError(
        `${where} is every address of this machine: name the one others use with --advertise URL`,
      )
    }
    if (!isLoopback(address.host) && settings.value('insecure') !== true) {
      throw new UsageError(
        `${where} is reachable from other machines: this needs --auth, which is not in this release yet, or --insecure`,
      )
    }
  }
  if (peerListen !== null && peerListen.port !== 0 && hostPort(peerListen) === hostPort(listen)) {
    throw new UsageError(`${settings.nameOf('peer-listen')} must differ from --listen`)
  }
}

interface Place {
  /** Of this node in the list; null without one, or without a list. */
  readonly url: string | null
  readonly dialsOnly: boolean
}

/** What list and `--advertise` say about this node, together. */
function checkCluster(settings: Settings, listen: Address, peerListen: Address | null): Place {
  const cluster = settings.value('cluster')
  const advertise = settings.value('advertise')
  if (cluster === null) return { url: null, dialsOnly: advertise === 'none' }
  const where = settings.nameOf('cluster')
  const id = settings.value('id')
  if (id === null) throw new UsageError(`${where} needs --id: which of the listed nodes is this?`)
  const own = cluster.find((node) => node.id === id)
  if (own === undefined) {
    const ids = cluster.map((node) => node.id).join(', ')
    throw new UsageError(`${where} lists ${ids}, but not this node, ${settings.nameOf('id')} ${id}`)
  }
  if (advertise !== null && (own.url === null) !== (advertise === 'none')) {
    throw new UsageError(
      `${where} lists ${id}=${own.url ?? 'none'}, but ${settings.nameOf('advertise')} is ${advertise}: a node that only dials is listed as ${id}=none`,
    )
  }
  if (own.url === null) return { url: null, dialsOnly: true }
  // Where --advertise is given, something may forward: then the list need not fit the listener.
  if (advertise !== null) return { url: null, dialsOnly: false }
  const { url } = own
  if (![listen, peerListen].some((address) => address !== null && fits(url, address))) {
    throw new UsageError(
      `${where} lists ${id} at ${url}, but it listens on ${urlOf(listen)}: let them agree, or give --advertise`,
    )
  }
  return { url, dialsOnly: false }
}

/** Whether who dials `url` can arrive at `address`; a name may be any address. */
function fits(url: string, address: Address): boolean {
  const dialled = addressOf(url)
  if (dialled.port !== address.port) return false
  if (isLoopback(dialled.host) !== isLoopback(address.host)) {
    return !isNumeric(dialled.host) && !isLoopback(dialled.host)
  }
  const bothNumeric = isNumeric(dialled.host) && isNumeric(address.host)
  return !bothNumeric || dialled.host === address.host.toLowerCase()
}

/** The secret's bytes without the line end that editors add; empty where it is not needed. */
function clusterSecret(settings: Settings, readFile: (path: string) => string): Uint8Array {
  const path = settings.value('cluster-secret-file')
  const beyond = addressesOf(settings).find((host) => !isLoopback(host))
  if (path === null) {
    if (beyond === undefined) return EMPTY_BYTES
    throw new UsageError(
      `--cluster-secret-file is missing: ${beyond} is not loopback, so the mesh needs a shared secret (openssl rand -base64 32)`,
    )
  }
  const secret = utf8(readSecret(settings, path, readFile).trim())
  if (secret.length < SECRET_BYTES_MIN) {
    throw new UsageError(
      `${settings.nameOf('cluster-secret-file')} ${path}: shorter than ${SECRET_BYTES_MIN} bytes; openssl rand -base64 32 makes a good one`,
    )
  }
  return secret
}

function readSecret(settings: Settings, path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path)
  } catch (error) {
    throw new UsageError(`${settings.nameOf('cluster-secret-file')} ${path}: ${messageOf(error)}`)
  }
}

function addressesOf(settings: Settings): readonly string[] {
  const advertise = settings.value('advertise')
  const listed = (settings.value('cluster') ?? []).map((node) => node.url)
  const urls = [...listed, advertise === 'none' ? null : advertise, settings.value('join')]
  return [
    settings.need('listen').host,
    ...[settings.value('peer-listen')].flatMap((address) => (address ? [address.host] : [])),
    ...urls.flatMap((url) => (url === null ? [] : [addressOf(url).host])),
  ]
}

function hostPort(address: Address): string {
  return urlOf(address).slice('http://'.length)
}
