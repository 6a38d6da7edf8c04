/** `GET /v1/services/{service}`: who serves it, filtered. */
import { Hono } from 'hono'

import { utf8 } from '../../lib/bytes.ts'
import { HotCache } from '../../lib/hot-cache.ts'
import { whenKnown, type Later } from '../../lib/later.ts'
import { isAvailable } from '../../state/mod.ts'
import type { StateReader } from '../../state/reader.ts'
import type { InstanceRow, ServiceView } from '../../state/rows.ts'
import { readEncoded } from '../answer.ts'
import type { Asked, Edge, Env } from '../edge.ts'
import { FILTERS, filtersOf, METADATA, type Filters } from './filters.ts'
import { instanceText } from './instance-text.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'
import { serviceKey } from './services.ts'

const KNOWN = [...WAIT, ...FILTERS]
/** Of the answers that are kept, encoded. */
const ANSWERS_BYTES_MAX = 16 * 1024 * 1024
/** What an entry weighs beside its answer. */
const ENTRY_BYTES = 256

export const SERVICE_PATH = '/v1/services/:service'

export function lookupRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>().get(SERVICE_PATH, (c) => getService(c, edge))
}

interface LookupAnswer {
  /** Of the view that it was made of. */
  readonly stamp: object
  readonly body: Uint8Array
}

/** By service and filters; each of one view of its service, so none is taken for a later one. */
export type LookupAnswers = HotCache<LookupAnswer>

export function lookupAnswers({ bytesMax } = { bytesMax: ANSWERS_BYTES_MAX }): LookupAnswers {
  return new HotCache({ weightMax: bytesMax })
}

export function getService(c: Asked, edge: Edge): Later<Response> {
  const query = new Query(c.req.url)
  query.allow(KNOWN, METADATA)
  const { ns, service } = serviceKey(c, query)
  const filters = filtersOf(query)
  const waitable = {
    target: { ns, topic: `services/${service}`, prefix: false },
    current: (state: StateReader) => state.serviceRevision(ns, service),
  }
  const found = waitAndRead(c, edge, query, waitable, (state) => state.service(ns, service))
  return whenKnown(found, (view) =>
    readEncoded(c, view.revision, () => {
      const place = `${ns}/${service}${filters.text}`
      const known = edge.lookups.get(place)
      if (known?.stamp === view.stamp) return known.body
      const body = utf8(lookupText(view, service, filters))
      edge.lookups.set(place, { stamp: view.stamp, body }, ENTRY_BYTES + body.length)
      return body
    }),
  )
}

function lookupText(view: ServiceView, service: string, { available, tests }: Filters): string {
  const { revision, instances, protectThreshold } = view
  const isProtected = available === true && isBelow(instances, protectThreshold)
  const texts: string[] = []
  for (const row of instances) {
    if (available !== null && !isProtected && isAvailable(row) !== available) continue
    if (tests.every((test) => test(row))) texts.push(instanceText(row))
  }
  const end = isProtected ? '],"protected":true}\n' : ']}\n'
  const start = `{"revision":${revision},"service":${JSON.stringify(service)},"instances":[`
  return start + texts.join(',') + end
}

/**
 * Whether so few instances are available that the rest must serve too: half-dead instances that
 * share the load beat a few live ones that drown in it.
 */
function isBelow(rows: readonly InstanceRow[], threshold: number): boolean {
  if (threshold === 0 || rows.length === 0) return false
  return rows.filter(isAvailable).length / rows.length < threshold
}
