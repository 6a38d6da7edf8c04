/** `GET /v1/config-export` and `POST /v1/config-import`: configuration in one piece. */
import { Hono } from 'hono'

import { prefixProblem } from '../../lib/names.ts'
import type { StateReader } from '../../state/reader.ts'
import { json } from '../answer.ts'
import { readBytes } from '../request/body.ts'
import { checkConfigValues, governed, proposeValues } from './checked-write.ts'
import { diffOf } from './diff.ts'
import { commentOf } from './config.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, invalid } from '../error.ts'
import { planImport, transactionOf, under, valuesOf } from './import-plan.ts'
import type { ImportAsked, ImportChange, ImportPlan } from './import-plan.ts'
import type { Limits } from '../limits.ts'
import { authorOf } from '../request/author.ts'
import { namespaceOf } from '../request/namespace.ts'
import { Query } from '../request/query.ts'
import { read, READ } from '../read.ts'
import { carriedBy, toArchive, toLines } from './transfer-format.ts'
import type { Carried } from './transfer-format.ts'
import { refuseConditions, resultOf, writeQuery } from '../write.ts'

const TAR = 'application/x-tar'
const LINES = 'application/x-ndjson'
/** A key may change between the look and the transaction; where it always does, nobody can help. */
const TRIES_MAX = 4
/** A dry run shows so many texts as unified diffs, */
const DIFFS_MAX = 64
/** each of so many bytes before and after. */
const DIFF_BYTES_MAX = 65_536

export function transferRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get('/v1/config-export', (c) => exportConfig(c, edge))
    .post('/v1/config-import', (c) => importConfig(c, edge))
}

async function exportConfig(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...READ, 'prefix', 'format'])
  const ns = namespaceOf(c, query)
  const prefix = prefixOf(query) ?? ''
  const format = query.oneOf('format', ['ndjson', 'tar']) ?? (wantsTar(c) ? 'tar' : 'ndjson')
  const items = await read(c, edge, query, (state) => collect(state, edge, { ns, prefix }))
  if (items === null) throw tooLargeToExport(edge)
  const seconds = Math.floor(Date.now() / 1_000)
  const pieces = format === 'tar' ? toArchive(items, seconds) : toLines(items)
  const headers = {
    'Content-Type': format === 'tar' ? TAR : LINES,
    'Content-Disposition': `attachment; filename="config.${format}"`,
  }
  return new Response(streamed(pieces), { headers })
}

function wantsTar(c: Call): boolean {
  return c.req.header('Accept')?.includes(TAR) ?? false
}

function prefixOf(query: Query): string | null {
  const prefix = query.literal('prefix')
  const problem = prefix === null ? null : prefixProblem(prefix)
  if (problem !== null) throw invalid('?prefix', problem)
  return prefix
}

function tooLargeToExport({ limits }: Edge): ApiError {
  const most = `${limits.exportKeysMax} keys or ${limits.exportBytesMax} bytes of values`
  return new ApiError('too_large', `it is more than ${most}: export longer prefixes, one by one`)
}

/** All of one revision: whoever reads it slowly sees no later change. Null: it is too large. */
function collect(
  state: StateReader,
  { limits }: Edge,
  { ns, prefix }: { readonly ns: string; readonly prefix: string },
): readonly Carried[] | null {
  const items: Carried[] = []
  let bytes = 0
  for (const meta of under(state, ns, prefix)) {
    if (meta.lease !== null) continue // It is gone with its lease; a copy would stay for ever.
    bytes += meta.size
    if (items.length >= limits.exportKeysMax || bytes > limits.exportBytesMax) return null
    const value = state.config(ns, meta.key)?.value ?? new Uint8Array(0)
    items.push({ key: meta.key, contentType: meta.contentType, value, comment: null })
  }
  return items
}

function streamed(pieces: Iterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const next = pieces.next()
      if (next.done === true) controller.close()
      else controller.enqueue(next.value)
    },
  })
}

async function importConfig(c: Call, edge: Edge): Promise<Response> {
  const query = writeQuery(c, ['dryRun', 'prune', 'prefix', 'comment'])
  refuseConditions(c)
  const { limits } = edge
  const dryRun = query.flag('dryRun') ?? false
  const comment = commentOf(query)
  const by = authorOf(c)
  const ns = namespaceOf(c, query)
  const prune = pruneOf(query)
  const items = carriedBy(await readBytes(c, edge, limits.importBodyMax), limits.importKeysMax)
  refuseOutside(items, prefixOf(query))
  refuseLarge(items, limits)
  const asked = { ns, items, prune }
  if (dryRun) return await rehearse(c, edge, query, asked)
  for (let left = TRIES_MAX; left > 0; left--) {
    const plan = await look(c, edge, query, asked)
    const applied = await proposeValues(c, edge, query, {
      ns,
      command: transactionOf(plan, { ns, comment, by }),
      values: () => valuesOf(plan, ns),
    })
    const { succeeded } = resultOf(applied, 'txn')
    if (succeeded) return json({ dryRun, ...planJson(plan), revision: applied.revision })
    // What was decided under a key stays so.
    if (c.req.header('Idempotency-Key') !== undefined) break
  }
  throw new ApiError(
    'conflict',
    'keys were written while the import was looked at; nothing of it was applied, send it again, ' +
      'under a new Idempotency-Key where it has one',
  )
}

/** What the import would be answered, checks included, and how each text would change. */
async function rehearse(c: Call, edge: Edge, query: Query, asked: ImportAsked): Promise<Response> {
  const plan = await look(c, edge, query, asked)
  const { local } = edge.registry
  await checkConfigValues(
    edge,
    valuesOf(plan, asked.ns).map((value) => governed(local, value)),
  )
  const diffs = await diffsOf(edge, plan)
  return json({ dryRun: true, ...planJson(plan, diffs) })
}

/** By key; of the first ones that are no longer than is pleasant to read. */
async function diffsOf(edge: Edge, { changes }: ImportPlan): Promise<ReadonlyMap<string, string>> {
  const diffs = new Map<string, string>()
  if (edge.checks === null) return diffs
  for (const { key, before, after } of changes) {
    if (diffs.size >= DIFFS_MAX) break
    if (before === null || after === null || !('value' in before)) continue
    if (before.value.length + after.value.length > DIFF_BYTES_MAX) continue
    const from = { name: `${key}@${before.version}`, value: before.value }
    diffs.set(key, await diffOf(edge, from, { name: `${key}@import`, value: after.value }))
  }
  return diffs
}

/** The prefix under which what is not carried is deleted. */
function pruneOf(query: Query): string | null {
  if (query.flag('prune') !== true) return null
  const prefix = prefixOf(query)
  if (prefix === null) {
    throw invalid('?prune', 'needs prefix: everything under it that the import lacks is deleted')
  }
  return prefix
}

function refuseOutside(items: readonly Carried[], prefix: string | null): void {
  const outside = items.find(({ key }) => !key.startsWith(prefix ?? ''))
  if (outside === undefined) return
  throw invalid('?prefix', `is "${prefix}", and the import holds "${outside.key}"`)
}

/** It becomes one entry of the log, and each value one that a write of its own could have brought. */
function refuseLarge(
  items: readonly Carried[],
  { importBytesMax: bytesMax, bodyBytesMax }: Limits,
): void {
  const large = items.find(({ value }) => value.length > bodyBytesMax)
  if (large !== undefined) {
    const detail = `the value of "${large.key}" is larger than ${bodyBytesMax} bytes`
    throw new ApiError('too_large', detail, { limit: bodyBytesMax })
  }
  const bytes = items.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
  if (bytes <= bytesMax) return
  const detail = `keys and values are ${bytes} bytes, more than ${bytesMax}: import in parts`
  throw new ApiError('too_large', detail, { limit: bytesMax })
}

async function look(c: Call, edge: Edge, query: Query, asked: ImportAsked): Promise<ImportPlan> {
  const plan = await read(c, edge, query, (state) => planImport(state, asked))
  const { importKeysMax } = edge.limits
  if (plan.seen.size <= importKeysMax) return plan
  const detail = `it would touch ${plan.seen.size} keys, more than ${importKeysMax}: prune in parts`
  throw new ApiError('too_large', detail, { limit: importKeysMax })
}

function planJson(plan: ImportPlan, diffs: ReadonlyMap<string, string> = new Map()): object {
  const { revision, changes, unchanged } = plan
  const count = (what: ImportChange['change']): number =>
    changes.filter(({ change }) => change === what).length
  return {
    revision,
    created: count('created'),
    changed: count('changed'),
    deleted: count('deleted'),
    unchanged,
    items: changes.map((change) => changeJson(change, diffs.get(change.key) ?? null)),
  }
}

function changeJson({ key, change, before, after }: ImportChange, diff: string | null): object {
  return {
    key,
    change,
    ...(before === null ? {} : { from: sideOf(before, { version: before.version }) }),
    ...(after === null ? {} : { to: sideOf({ ...after, size: after.value.length }, {}) }),
    ...(diff === null ? {} : { diff }),
  }
}

function sideOf(
  { contentType, size }: { readonly contentType: string; readonly size: number },
  more: object,
): object {
  return { ...more, contentType, size }
}
