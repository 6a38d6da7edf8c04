/** `/v1/config-stages`: staged release of configuration. */
import { Hono } from 'hono'

import { rfc3339 } from '../../lib/rfc3339.ts'
import { keyProblem, nameProblem } from '../../lib/names.ts'
import { formatStageRule, parseStageRule } from '../../state/mod.ts'
import type { Page, StateReader } from '../../state/reader.ts'
import type { StageMeta } from '../../state/rows.ts'
import { json, noContent, tagged } from '../answer.ts'
import { readBytes } from '../request/body.ts'
import { proposeValues } from './checked-write.ts'
import { commentOf } from './config.ts'
import { contentTypeOf } from './content-type.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { stageAnswer } from './effective.ts'
import { ApiError, invalid } from '../error.ts'
import { authorOf } from '../request/author.ts'
import { expectation } from '../request/etag.ts'
import { namespaceOf } from '../request/namespace.ts'
import { nextOf, oneMore, PAGE, pageOf } from '../request/page.ts'
import { pathText } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { read, READ, readLatest } from '../read.ts'
import { propose, resultOf, writeQuery } from '../write.ts'

const BASE = '/v1/config-stages/'
const PATH = `${BASE}:key{.+}`
const PROMOTE = '/promote'

export function stageRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>()
    .get('/v1/config-stages', (c) => listStages(c, edge))
    .post(`${PATH}${PROMOTE}`, (c) => promoteStage(c, edge))
    .get(PATH, (c) => getStage(c, edge))
    .put(PATH, (c) => putStage(c, edge))
    .delete(PATH, async (c) => {
      const query = writeQuery(c)
      const name = { ns: namespaceOf(c, query), ...stageOf(pathText(c, BASE)) }
      const expect = expectation(c)
      const by = authorOf(c)
      await propose(c, edge, query, { type: 'config_stage_delete', ...name, by, expect })
      return noContent()
    })
}

/** The last segment names the stage: a key may have slashes, a stage has none. */
function stageOf(path: string): { readonly key: string; readonly stage: string } {
  const cut = path.lastIndexOf('/')
  if (cut < 0) {
    const list = `for what is staged of a key ask /v1/config-stages?key=${path}`
    throw invalid('stage', `is missing: the path is /v1/config-stages/{key}/{stage}; ${list}`)
  }
  const [key, stage] = [path.slice(0, cut), path.slice(cut + 1)]
  const keyIssue = keyProblem(key)
  if (keyIssue !== null) throw invalid('key', keyIssue)
  const stageIssue = nameProblem(stage)
  if (stageIssue !== null) throw invalid('stage', stageIssue)
  return { key, stage }
}

async function putStage(c: Call, edge: Edge): Promise<Response> {
  const query = writeQuery(c, ['comment'])
  const name = { ns: namespaceOf(c, query), ...stageOf(pathText(c, BASE)) }
  const expect = expectation(c)
  const comment = commentOf(query)
  const by = authorOf(c)
  const rule = ruleOf(c)
  const value = await readBytes(c, edge)
  const contentType = contentTypeOf(c.req.header('Content-Type'), { key: name.key, bytes: value })
  const given = { ns: name.ns, key: name.key, contentType, value, at: '' }
  const put = { ...name, rule, contentType, value, comment, by, expect } as const
  const applied = await proposeValues(c, edge, query, {
    ns: name.ns,
    command: { type: 'config_stage_put', ...put },
    values: () => [given],
  })
  const { stage } = resultOf(applied, 'stage')
  return tagged(stageJson(stage), stage.revision, applied.created ? 201 : 200)
}

function ruleOf(c: Call): string {
  const header = c.req.header('Rollcall-Stage-Rule')
  if (header === undefined) {
    throw invalid('Rollcall-Stage-Rule', 'is needed: for whom, such as zone=eu;percent=10')
  }
  const rule = parseStageRule(header)
  if (typeof rule === 'string') throw invalid('Rollcall-Stage-Rule', rule)
  return formatStageRule(rule)
}

/**
 * The key must be as it was when the bytes were staged, unless `If-Match` says otherwise. Where
 * nothing is staged the log decides all the same: a retry must find the outcome of the first try.
 */
async function promoteStage(c: Call, edge: Edge): Promise<Response> {
  const query = writeQuery(c, ['comment'])
  const path = pathText(c, BASE).slice(0, -PROMOTE.length)
  const name = { ns: namespaceOf(c, query), ...stageOf(path) }
  const expect = expectation(c)
  const comment = commentOf(query)
  const by = authorOf(c)
  const { ns, key: ofKey, stage } = name
  const staged = await readLatest(c, edge, query, (state) => state.stages.find(ns, ofKey, stage))
  const stageRevision = staged?.revision ?? null // The bytes that are checked, and no others.
  const promote = { ...name, stageRevision, comment, by, expect } as const
  const applied = await proposeValues(c, edge, query, {
    ns,
    command: { type: 'config_stage_promote', ...promote },
    values: () => (staged === null ? [] : [{ ...staged, at: '' }]),
  })
  const { key, version, revision } = resultOf(applied, 'config').config
  return tagged({ key, version, revision }, version, applied.created ? 201 : 200)
}

async function getStage(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow(READ)
  const ns = namespaceOf(c, query)
  const { key, stage } = stageOf(pathText(c, BASE))
  const row = await read(c, edge, query, (state) => state.stages.find(ns, key, stage))
  if (row === null) {
    throw new ApiError('not_found', `nothing is staged for "${key}" as "${stage}"`)
  }
  return stageAnswer(c, row)
}

/** `?key=` of one key; `?prefix=` in pages, which count keys and hold all stages of each. */
async function listStages(c: Call, edge: Edge): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...READ, ...PAGE, 'key'])
  const ns = namespaceOf(c, query)
  const key = query.literal('key')
  const page = key === null ? pageOf(query, edge) : null
  if (key !== null) {
    const issue = keyProblem(key)
    if (issue !== null) throw invalid('?key', issue)
    query.allow([...READ, 'key'])
  }
  const { revision, found } = await read(c, edge, query, (state) => ({
    revision: state.revision,
    found: page === null ? state.stages.of(ns, key as string) : stagesUnder(state, ns, page),
  }))
  const keys = [...new Set(found.map((stage) => stage.key))]
  const shown = new Set(page === null ? keys : keys.slice(0, page.limit))
  const items = found.filter((stage) => shown.has(stage.key)).map(stageJson)
  return json({ revision, items, ...nextOf(keys, shown.size, (last) => last) })
}

function stagesUnder(state: StateReader, ns: string, page: Page): readonly StageMeta[] {
  return state.stages.list(ns, oneMore(page))
}

function stageJson(stage: StageMeta): object {
  const { key, rule, revision, baseVersion, contentType, size, comment, updatedBy } = stage
  return {
    key,
    stage: stage.stage,
    rule,
    revision,
    baseVersion,
    contentType,
    size,
    comment,
    updatedAt: rfc3339(stage.updatedAtMs),
    updatedBy,
  }
}
