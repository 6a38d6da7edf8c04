/** `/v1/services/{service}/instances/{id}`: register, read, patch, deregister. */
import { Hono } from 'hono'

import type { InstanceKey } from '../../state/command.ts'
import type { StateReader } from '../../state/reader.ts'
import { noContent, readAnswer, tagged } from '../answer.ts'
import { readJson } from '../request/body.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError } from '../error.ts'
import { expectation } from '../request/etag.ts'
import { instanceBodies } from './instance-body.ts'
import { instanceJson } from './instance-json.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathName } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

const PATH = '/v1/services/:service/instances/:id'

export function instanceRoutes(edge: Edge): Hono<Env> {
  const bodies = instanceBodies(edge.limits)
  return new Hono<Env>()
    .get(PATH, (c) => getInstance(c, edge))
    .put(PATH, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      const expect = expectation(c)
      const spec = bodies.put(await readJson(c, edge), key)
      const applied = await propose(c, edge, query, { type: 'instance_put', key, spec, expect })
      const { instance } = resultOf(applied, 'instance')
      return tagged(instanceJson(instance), instance.revision, applied.created ? 201 : 200)
    })
    .patch(PATH, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      const expect = expectation(c)
      const patch = bodies.patch(await readJson(c, edge), key)
      const applied = await propose(c, edge, query, { type: 'instance_patch', key, patch, expect })
      const { instance } = resultOf(applied, 'instance')
      return tagged(instanceJson(instance), instance.revision)
    })
    .delete(PATH, async (c) => {
      const query = writeQuery(c)
      const key = instanceKey(c, query)
      await propose(c, edge, query, { type: 'instance_delete', key, expect: expectation(c) })
      return noContent()
    })
}

/** Of a path that begins `/v1/services/{service}/instances/{id}`. */
export function instanceKey(c: Call, query: Query): InstanceKey {
  const ns = namespaceOf(c, query)
  return { ns, service: pathName(c, 2, 'service'), id: pathName(c, 4, 'id') }
}

async function getInstance(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow(WAIT)
  const key = instanceKey(c, query)
  const topic = `services/${key.service}/${key.id}`
  const waitable = {
    target: { ns: key.ns, topic, prefix: false },
    current: (state: StateReader) => state.instanceRevision(key),
  }
  const row = await waitAndRead(c, edge, query, waitable, (state) => state.instance(key))
  if (row === null) throw noInstance(key)
  return readAnswer(c, row.revision, () =>
    instanceJson(row, row.lease === null ? null : edge.registry.expiresInMs(row.lease)),
  )
}

export function noInstance({ service, id }: InstanceKey): ApiError {
  return new ApiError('not_found', `service "${service}" has no instance "${id}"`)
}
