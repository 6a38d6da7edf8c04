import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { present } from '../../lib/assert.ts'
import { isLoopback, urlOf } from './addresses.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import type { FlagName } from '../usage/flags.ts'
import type { Settings } from '../usage/settings.ts'
import type { Address } from '../usage/values.ts'

/** One node of a local cluster, before it is started. */
export interface PlannedNode {
  readonly id: string
  readonly listen: Address
  readonly url: string
  /** What follows the program: `serve` and its flags. */
  readonly args: readonly string[]
  readonly dataDir: string
}

/** Handed on as they were given; `serve` reads and judges them again. */
const HANDED_ON: readonly FlagName[] = [
  'timing',
  'heartbeat',
  'election-timeout',
  'clock-drift',
  'sqlite',
  'wal-segment',
  'wal-tail',
  'wal-max',
  'checkpoint-size',
  'apply-batch',
]

/** The nodes of `rollcall dev`: n1, n2, … on one port after another, below `dataDir`. */
export async function planNodes(
  settings: Settings,
  dataDir: string,
): Promise<readonly PlannedNode[]> {
  const { host, port } = settings.need('listen')
  const count = settings.need('nodes')
  const where = settings.nameOf('listen')
  if (!isLoopback(host)) {
    throw new UsageError(`${where} ${host}: dev listens on loopback only; see rollcall help serve`)
  }
  if (port + count - 1 > 65_535) {
    throw new UsageError(`${where}: port ${port} leaves no room for ${count} nodes`)
  }
  const wanted = Array.from({ length: count }, (_, i) => (port === 0 ? 0 : port + i))
  const ports = await freePorts(host, wanted, where)
  const places = ports.map((each, i) => {
    const listen = { host, port: each }
    return { id: `n${i + 1}`, listen, url: urlOf(listen), dataDir: `${dataDir}/n${i + 1}` }
  })
  const cluster = places.map(({ id, url }) => `${id}=${url}`).join(',')
  return places.map((place) => Object.assign(place, { args: argsOf(place, cluster, settings) }))
}

function argsOf(
  place: Omit<PlannedNode, 'args'>,
  cluster: string,
  settings: Settings,
): readonly string[] {
  const handedOn = HANDED_ON.flatMap((name) => {
    const text = settings.given(name)
    return text === null ? [] : [`--${name}`, text]
  })
  const flags: Readonly<Record<string, string>> = {
    id: place.id,
    listen: place.url.slice('http://'.length),
    data: place.dataDir,
    cluster,
    'log-level': settings.value('log-level') ?? 'warn',
    'log-format': settings.need('log-format') === 'json' ? 'json' : 'text',
  }
  const own = Object.entries(flags).flatMap(([name, text]) => [`--${name}`, text])
  return ['serve', '--end-with-stdin', ...own, ...handedOn]
}

/**
 * The wanted ports, 0 replaced by one that the system chose. All are held at once for a moment:
 * so they differ, and a port in use is known before anything is started.
 */
async function freePorts(
  host: string,
  wanted: readonly number[],
  where: string,
): Promise<readonly number[]> {
  const servers = wanted.map(() => createServer())
  try {
    return await Promise.all(servers.map((server, i) => bind(server, host, wanted[i] ?? 0, where)))
  } finally {
    await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  }
}

function bind(server: Server, host: string, port: number, where: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const used = 'code' in error && error.code === 'EADDRINUSE'
      const why = used ? `port ${port} is in use; give another one with --listen` : error.message
      reject(new CommandFailed(`${where}: ${why}`))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      const chosen = typeof address === 'object' ? (address?.port ?? null) : null
      resolve(present(chosen, 'a listening server has a port'))
    })
  })
}
