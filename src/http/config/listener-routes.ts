/**
 * `GET /v1/config-listeners/{key}`: who waits for a key, and which version each holds.
 *
 * Every data node knows its own (`listeners.ts`); the node that is asked gathers. A member that does
 * not answer is named, and nothing is called complete then.
 */
import { Hono } from 'hono'

import type { Later } from '../../lib/later.ts'
import { sleep } from '../../lib/timer.ts'
import { json } from '../answer.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { ApiError, failed, invalid } from '../error.ts'
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './listener-codec.ts'
import type { Told } from './listener-codec.ts'
import type { ListenerView } from './listeners.ts'
import { namespaceOf } from '../request/namespace.ts'
import { pathKey } from '../request/path.ts'
import { Query } from '../request/query.ts'
import { endOf, read, READ } from '../read.ts'

const BASE = '/v1/config-listeners/'
/** What a member may take to answer; they answer from memory. */
const SURVEY_MS = 1_000
/** How often everybody is asked anew while somebody waits for a version. */
const AGAIN_MS = 500
/** Each asks all members twice a second. */
const WAITS_MAX = 64

export function listenerRoutes(edge: Edge): Hono<Env> {
  const waiting = { count: 0 }
  return new Hono<Env>().get(`${BASE}:key{.+}`, (c) => getListeners(c, edge, waiting))
}

/** What this node answers to the others; an empty answer says that it did not understand. */
export function answerListeners({ listeners, registry }: Edge, question: Uint8Array): Uint8Array {
  const asked = decodeQuestion(question)
  if (asked === null) return new Uint8Array(0)
  const views = listeners.of(asked.ns, asked.key, registry.local)
  return encodeAnswer(views, listeners.isOverflown)
}

interface Asked {
  readonly ns: string
  readonly key: string
  /** What all are to hold; null: nobody asks. */
  readonly target: number | null
}

async function getListeners(c: Call, edge: Edge, waiting: { count: number }): Promise<Response> {
  const query = new Query(c.req.url)
  query.allow([...READ, 'version', 'wait'])
  const ns = namespaceOf(c, query)
  const key = pathKey(c, BASE)
  const target = query.integer('version', { min: 1, max: Number.MAX_SAFE_INTEGER })
  const waitMs = query.duration('wait', { min: 0, max: edge.limits.waitMaxMs }) ?? 0
  if (query.has('wait') && target === null)
    throw invalid('?wait', 'needs version: what to wait for')
  const asked = { ns, key, target }
  const now = (): Later<number | null> =>
    read(c, edge, query, (state) => state.config(ns, key)?.version ?? null)
  let version = await now() // Also so that a bad parameter is not found after a long wait.
  const roll =
    waitMs === 0 ? await call(edge, asked) : await hold(c, edge, asked, { waiting, waitMs })
  if (waitMs > 0) version = await now()
  return json({ key, version, revision: c.get('revision'), ...rollJson(roll, target, version) })
}

interface Roll {
  readonly listeners: readonly Told[]
  readonly missing: readonly { readonly id: string; readonly why: string }[]
}

/** Asks again until all hold it, or the time is over. */
async function hold(
  c: Call,
  edge: Edge,
  asked: Asked,
  { waiting, waitMs }: { readonly waiting: { count: number }; readonly waitMs: number },
): Promise<Roll> {
  if (waiting.count >= WAITS_MAX) {
    throw new ApiError('too_many_requests', `${WAITS_MAX} wait for listeners here already`)
  }
  waiting.count += 1
  c.env?.keepOpen?.()
  const signal = endOf(c, edge)
  const untilMs = performance.now() + waitMs
  try {
    for (;;) {
      const roll = await call(edge, asked)
      const leftMs = untilMs - performance.now()
      const version = edge.registry.local.config(asked.ns, asked.key)?.version ?? null
      if (holdAll(roll, asked.target, version) || leftMs <= 0 || signal.aborted) return roll
      await sleep(Math.min(AGAIN_MS, leftMs))
    }
  } finally {
    waiting.count -= 1
  }
}

async function call({ registry }: Edge, { ns, key }: Asked): Promise<Roll> {
  const survey = await registry.survey(encodeQuestion({ ns, key }), { timeoutMs: SURVEY_MS })
  if (!survey.ok) throw failed(survey)
  const missing = [...survey.missing]
  const heard: Told[] = []
  for (const { id, answer } of survey.answers) {
    const told = decodeAnswer(answer, id)
    if (told === null) {
      missing.push({ id, why: 'its answer was not understood: it runs another program' })
      continue
    }
    heard.push(...told.listeners)
    if (!told.complete) missing.push({ id, why: 'it has more listeners than it can tell' })
  }
  return { listeners: newestOfEach(heard), missing }
}

/** A caller that goes from node to node is where it was last. */
function newestOfEach(heard: readonly Told[]): readonly Told[] {
  const byName = new Map<string, Told>()
  for (const told of heard) {
    const name = told.named ? `=${told.name}` : `${told.node} ${told.name}`
    const other = byName.get(name)
    if (other === undefined || isNewer(told, other)) byName.set(name, told)
  }
  return [...byName.values()].sort((x, y) => (x.name < y.name ? -1 : 1))
}

function isNewer(told: ListenerView, other: ListenerView): boolean {
  if (told.connected !== other.connected) return told.connected
  return told.idleMs < other.idleMs
}

function holds({ held }: ListenerView, target: number): boolean {
  return held !== null && held.stage === null && held.version >= target
}

/** Also where nobody listens; but never of a version that is not there yet. */
function holdAll(
  { listeners, missing }: Roll,
  target: number | null,
  version: number | null,
): boolean {
  if (target === null || missing.length > 0 || (version ?? 0) < target) return false
  return listeners.every((listener) => holds(listener, target))
}

function rollJson(roll: Roll, target: number | null, version: number | null): object {
  const { listeners, missing } = roll
  return {
    listeners: listeners.map(listenerJson),
    complete: missing.length === 0,
    missing: missing.map(({ id, why }) => ({ node: id, detail: why })),
    ...(target === null
      ? {}
      : {
          target,
          holding: listeners.filter((listener) => holds(listener, target)).length,
          all: holdAll(roll, target, version),
        }),
  }
}

function listenerJson({ name, named, node, via, connected, idleMs, held }: Told): object {
  return {
    ...(named ? { instance: name } : { anonymous: name }),
    node,
    via,
    connected,
    ...(connected ? {} : { idleMs: Math.round(idleMs) }),
    version: held?.version ?? null,
    ...(held?.stage == null ? {} : { stage: held.stage }),
  }
}
