import type { Later } from '../../lib/later.ts'
import type { Watch, WatchTopic } from '../../replica/watch/watch.ts'
import type { Labels } from '../../state/mod.ts'
import type { Asked, Call, Edge } from '../edge.ts'
import { labelsOf } from '../request/labels.ts'
import type { Held } from './listeners.ts'
import { Query } from '../request/query.ts'
import { sinceOf } from '../read.ts'

const CONFIG = 'config/'

/** Notes a long poll for as long as it takes: its caller listens to that key, or prefix. */
export function listening<T>(
  c: Asked,
  edge: Edge,
  query: Query,
  asked: {
    readonly ns: string
    readonly key: string
    readonly prefix: boolean
    readonly labels: Labels
  },
  poll: () => Later<T>,
): Later<T> {
  const since = sinceOf(query)
  if (since === null) return poll()
  const source = { labels: asked.labels, address: c.env?.address ?? null, via: 'poll' } as const
  const held = asked.prefix ? null : heldTag(c.req.header('If-None-Match'))
  return whileNoted(edge.listeners.begin(asked, source, { through: since, held }), poll)
}

async function whileNoted<T>(noted: { end(): void }, poll: () => Later<T>): Promise<T> {
  try {
    return await poll()
  } finally {
    noted.end()
  }
}

/** Notes a watch stream as a listener to the config topics among its own; the end takes it back. */
export function noteStream(
  c: Call,
  edge: Edge,
  topics: readonly WatchTopic[],
  watch: Watch,
): () => void {
  const labels = labelsOf(c, new Query(c.req.url))
  const source = { labels, address: c.env?.address ?? null, via: 'watch' } as const
  const reached = (): number => watch.reached()
  const noted = topics
    .filter(({ topic }) => topic.startsWith(CONFIG))
    .map(({ ns, topic, prefix }) => {
      const target = { ns, key: topic.slice(CONFIG.length), prefix }
      return edge.listeners.begin(target, source, { through: 0, held: null, reached })
    })
  return () => noted.forEach((listening) => listening.end())
}

/** The one version, or staged value, that a caller names as what it has. */
function heldTag(header: string | undefined): Held | null {
  const [, version, stage] = /^(?:W\/)?"(\d{1,15})(?:-([^"]+)\.\d+)?"$/.exec(header ?? '') ?? []
  return version === undefined ? null : { version: Number(version), stage: stage ?? null }
}
