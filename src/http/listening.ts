import type { Labels } from '../state/mod.ts'
import type { Call, Edge } from './edge.ts'
import type { Held } from './listeners.ts'
import type { Query } from './query.ts'
import { sinceOf } from './read.ts'

/** Notes a long poll for as long as it takes: its caller listens to that key, or prefix. */
export async function listening<T>(
  c: Call,
  edge: Edge,
  query: Query,
  asked: {
    readonly ns: string
    readonly key: string
    readonly prefix: boolean
    readonly labels: Labels
  },
  poll: () => Promise<T>,
): Promise<T> {
  const since = sinceOf(query)
  if (since === null) return await poll()
  const source = { labels: asked.labels, address: c.env?.address ?? null, via: 'poll' } as const
  const held = asked.prefix ? null : heldTag(c.req.header('If-None-Match'))
  const noted = edge.listeners.begin(asked, source, { through: since, held })
  try {
    return await poll()
  } finally {
    noted.end()
  }
}

/** The one version, or staged value, that a caller names as what it has. */
function heldTag(header: string | undefined): Held | null {
  const [, version, stage] = /^(?:W\/)?"(\d{1,15})(?:-([^"]+)\.\d+)?"$/.exec(header ?? '') ?? []
  return version === undefined ? null : { version: Number(version), stage: stage ?? null }
}
