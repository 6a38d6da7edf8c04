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

export function lookupRoutes(edge: Edge): Hono<Env> {
  const answer = lookups(edge)
  return new Hono<Env>().get('/v1/services/:service', (c) => answer(c))
}

interface Answer {
  /** Of the view that it was made of. */
  readonly stamp: object
  readonly body: Uint8Array
}

/** The route, with the answers that were asked for lately: each is of one view of its service. */
export function lookups(
  edge: Edge,
  { bytesMax } = { bytesMax: ANSWERS_BYTES_MAX },
): (c: Asked) => Later<Response> {
  const answers = new HotCache<Answer>({ bytesMax })
  return (c) => {
    const query = new Query(c.req.url)
    query.allow(KNOWN, METADATA)
    const { ns, service } = serviceKey(c, query)
    const filters = filtersOf(query)
    const current = (state: StateReader) => state.serviceRevision(ns, service)
    const waitable = { target: { ns, topic: `services/${service}`, prefix: false }, current }
    const view = waitAndRead(c, edge, query, waitable, (state) => state.service(ns, service))
    return whenKnown(view, (found) =>
      readEncoded(c, found.revision, () => {
        const place = `${ns}/${service}${filters.text}`
        const known = answers.get(place)
        if (known?.stamp === found.stamp) return known.body
        const body = utf8(lookupText(found, service, filters))
        answers.set(place, { stamp: found.stamp, body }, ENTRY_BYTES + body.length)
        return body
      }),
    )
  }
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
