/** `/v1/services/{service}/instances/{id}`: register, read, patch, deregister. */
import { Hono } from 'hono'

import { whenKnown, type Later } from '../../lib/later.ts'
import type { InstanceKey } from '../../state/command.ts'
import type { StateReader } from '../../state/reader.ts'
import { noContent, readEncoded, tagged } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Asked, Edge, Env } from '../edge.ts'
import { ApiError } from '../error.ts'
import { expectation } from '../request/etag.ts'
import { instanceJson } from './instance-json.ts'
import { instanceText } from './instance-text.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathName } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

export const INSTANCE_PATH = '/v1/services/:service/instances/:id'

export function instanceRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get(INSTANCE_PATH, (c) => getInstance(c, edge))
    .put(INSTANCE_PATH, (c) => putInstance(c, edge))
    .patch(INSTANCE_PATH, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      const expect = expectation(c)
      const patch = edge.instanceBodies.patch(await readJson(c, edge), key)
      const applied = await propose(c, edge, query, { type: 'instance_patch', key, patch, expect })
      const { instance } = resultOf(applied, 'instance')
      return tagged(instanceJson(instance), instance.revision)
    })
    .delete(INSTANCE_PATH, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      await propose(c, edge, query, { type: 'instance_delete', key, expect: expectation(c) })
      return noContent()
    })
}

export async function putInstance(c: Asked, edge: Edge): Promise<Response> {
  const query = writeQuery(c)
  const key = instanceKey(c, query)
  const expect = expectation(c)
  const spec = edge.instanceBodies.put(await readJson(c, edge), key)
  const applied = await propose(c, edge, query, { type: 'instance_put', key, spec, expect })
  const { instance } = resultOf(applied, 'instance')
  return tagged(instanceJson(instance), instance.revision, applied.created ? 201 : 200)
}

/** Of a path that begins `/v1/services/{service}/instances/{id}`. */
export function instanceKey(c: Asked, query: Query): InstanceKey {
  const ns = namespaceOf(c, query)
  return { ns, service: pathName(c, 2, 'service'), id: pathName(c, 4, 'id') }
}

export function getInstance(c: Asked, edge: Edge): Later<Response> {
  const query = new Query(c.req.url)
  query.allow(WAIT)
  const key = instanceKey(c, query)
  const topic = `services/${key.service}/${key.id}`
  const waitable = {
    target: { ns: key.ns, topic, prefix: false },
    current: (state: StateReader) => state.instanceRevision(key),
  }
  const found = waitAndRead(c, edge, query, waitable, (state) => state.instance(key))
  return whenKnown(found, (row) => {
    if (row === null) throw noInstance(key)
    return readEncoded(c, row.revision, () => {
      const expiresInMs = row.lease === null ? null : edge.registry.expiresInMs(row.lease)
      return `${instanceText(row, expiresInMs)}\n`
    })
  })
}

export function noInstance({ service, id }: InstanceKey): ApiError {
  return new ApiError('not_found', `service "${service}" has no instance "${id}"`)
}
