/** `GET /v1/config`: the keys under a prefix, with their values if asked. */
import { Hono } from 'hono'

import { rfc3339 } from '../../lib/rfc3339.ts'
import { valueFields } from '../../lib/json-bytes.ts'
import type { Page, StateReader } from '../../state/reader.ts'
import type { ConfigMeta } from '../../state/rows.ts'
import { readAnswer } from '../answer.ts'
import type { Edge, Env } from '../edge.ts'
import { labelsOf } from '../request/labels.ts'
import { listening } from './listening.ts'
import { namespaceOf } from '../request/namespace.ts'
import { nextOf, oneMore, PAGE, pageOf } from '../request/page.ts'
import { Query } from '../request/query.ts'
import { WAIT, waitAndRead } from '../read.ts'

interface Item {
  readonly meta: ConfigMeta
  /** Null where values were not asked for. */
  readonly value: Uint8Array | null
}

export function configListRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>().get('/v1/config', async (c) => {
    const query = new Query(c.req.url)
    query.allow([...WAIT, ...PAGE, 'values'])
    const ns = namespaceOf(c, query)
    const page = pageOf(query, edge)
    const bytesMax = query.flag('values') === true ? edge.limits.pageBytesMax : null
    const current = (state: StateReader) => state.configPrefixRevision(ns, page.prefix)
    const waitable = { target: { ns, topic: `config/${page.prefix}`, prefix: true }, current }
    const asked = { ns, key: page.prefix, labels: labelsOf(c, null), prefix: true }
    const { revision, metas, items } = await listening(c, edge, query, asked, () =>
      waitAndRead(c, edge, query, waitable, (state) => {
        const metas = state.configList(ns, oneMore(page))
        return { revision: current(state), metas, items: pick(state, metas, { page, bytesMax }) }
      }),
    )
    return readAnswer(c, revision, () => ({
      revision,
      items: items.map(itemJson),
      ...nextOf(metas, items.length, (meta) => meta.key),
    }))
  })
}

/**
 * The items of one page. With values a page ends early, after at least one item, once it holds
 * `bytesMax` bytes: a thousand values of a megabyte are no answer.
 */
function pick(
  state: StateReader,
  metas: readonly ConfigMeta[],
  { page, bytesMax }: { readonly page: Page; readonly bytesMax: number | null },
): readonly Item[] {
  const items: Item[] = []
  let bytes = 0
  for (const meta of metas.slice(0, page.limit)) {
    bytes += meta.size
    if (bytesMax !== null && bytes > bytesMax && items.length > 0) break
    const value = bytesMax === null ? null : (state.config(meta.ns, meta.key)?.value ?? null)
    items.push({ meta, value })
  }
  return items
}

function itemJson({ meta, value }: Item): object {
  return {
    key: meta.key,
    version: meta.version,
    revision: meta.revision,
    contentType: meta.contentType,
    size: meta.size,
    updatedAt: rfc3339(meta.updatedAtMs),
    updatedBy: meta.updatedBy,
    ...(meta.lease === null ? {} : { lease: meta.lease }),
    ...(value === null ? {} : valueFields(value)),
  }
}
