/** `GET /v1/services/{service}`: who serves it, filtered. */
import { Hono } from 'hono'

import { effectiveStatus, isAvailable } from '../../state/mod.ts'
import type { StateReader } from '../../state/reader.ts'
import type { InstanceRow } from '../../state/rows.ts'
import { readAnswer } from '../answer.ts'
import type { Edge, Env } from '../edge.ts'
import { invalid } from '../error.ts'
import { instanceJson } from './instance-json.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'
import { serviceKey } from './services.ts'
import { HEALTH, INSTANCE_STATUS } from './words.ts'

const FILTERS = ['available', 'status', 'health', 'tag', 'zone', 'node']
const METADATA = 'metadata.'

type Test = (row: InstanceRow) => boolean

export function lookupRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>().get('/v1/services/:service', async (c) => {
    const query = new Query(c.req.url)
    query.allow([...WAIT, ...FILTERS], METADATA)
    const { ns, service } = serviceKey(c, query)
    const tests = filters(query)
    const available = query.flag('available')
    const current = (state: StateReader) => state.serviceRevision(ns, service)
    const waitable = { target: { ns, topic: `services/${service}`, prefix: false }, current }
    const found = await waitAndRead(c, edge, query, waitable, (state) => ({
      revision: current(state),
      rows: state.instances(ns, service),
      threshold: state.serviceSettings(ns, service)?.settings.protectThreshold ?? 0,
    }))
    return readAnswer(c, found.revision, () => {
      const isProtected = available === true && isBelow(found.rows, found.threshold)
      const rows = found.rows.filter(
        (row) =>
          (available === null || isProtected || isAvailable(row) === available) &&
          tests.every((test) => test(row)),
      )
      return {
        revision: found.revision,
        service,
        instances: rows.map((row) => instanceJson(row)),
        ...(isProtected ? { protected: true } : {}),
      }
    })
  })
}

/**
 * Whether so few instances are available that the rest must serve too: half-dead instances that
 * share the load beat a few live ones that drown in it.
 */
function isBelow(rows: readonly InstanceRow[], threshold: number): boolean {
  if (threshold === 0 || rows.length === 0) return false
  return rows.filter(isAvailable).length / rows.length < threshold
}

/** Every filter must hold; `tag` may stand several times, and then all tags must be there. */
function filters(query: Query): readonly Test[] {
  const tests: Test[] = []
  const status = query.oneOf('status', INSTANCE_STATUS)
  if (status !== null) tests.push((row) => effectiveStatus(row) === status)
  const health = query.oneOf('health', HEALTH)
  if (health !== null) tests.push((row) => row.health === health)
  const zone = query.name('zone')
  if (zone !== null) tests.push(({ spec }) => spec.zone === zone)
  const node = query.name('node')
  if (node !== null) tests.push(({ spec }) => spec.node === node)
  for (const tag of query.texts('tag')) tests.push(({ spec }) => spec.tags.includes(tag))
  for (const name of query.startingWith(METADATA)) tests.push(metadataTest(query, name))
  return tests
}

function metadataTest(query: Query, name: string): Test {
  const key = name.slice(METADATA.length)
  if (key === '') throw invalid(`?${METADATA}`, 'needs the key behind the dot')
  const wanted = query.text(name)
  return ({ spec: { metadata } }) => Object.hasOwn(metadata, key) && metadata[key] === wanted
}
