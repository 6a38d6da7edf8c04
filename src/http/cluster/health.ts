/** `/livez`, `/readyz` and `/health`: for load balancers and supervisors, in plain text. */
import { Hono } from 'hono'

import { plainText } from '../answer.ts'
import type { Call, Edge, Env } from '../edge.ts'
import { Query } from '../request/query.ts'
import type { NodeStatus } from '../registry.ts'

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

export function healthRoutes(edge: Edge): Hono<Env> {
  const ready = (c: Call) => report(c, readiness(edge.registry.status()))
  return new Hono<Env>()
    .get('/livez', (c) =>
      report(c, [{ name: 'serving', ok: true, detail: 'requests are answered' }]),
    )
    .get('/readyz', ready)
    .get('/health', ready)
}

/** Ready: a leader is known, what was committed at start is applied (API.md), and trusted. */
function readiness(status: NodeStatus): readonly Check[] {
  const { leader, recovery, waitingFor, fenced } = status
  const wrong = fenced === null ? [] : [{ name: 'state', ok: false, detail: fenced }]
  const without = waitingFor === null ? 'no leader is known' : `no leader yet: ${waitingFor}`
  return [
    { name: 'leader', ok: leader !== null, detail: leader === null ? without : `it is ${leader}` },
    { name: 'recovery', ok: recovery === 'synced', detail: `it is ${recovery}` },
    ...wrong,
  ]
}

/** One word, or one line for each check: always where one fails, else where `?verbose` asks. */
function report(c: Call, checks: readonly Check[]): Response {
  const query = new Query(c.req.url)
  query.allow(['verbose'])
  const isOk = checks.every(({ ok }) => ok)
  if (isOk && query.flag('verbose') !== true) return plainText('ok\n')
  const lines = checks.map(({ name, ok, detail }) => `[${ok ? '+' : '-'}] ${name}: ${detail}\n`)
  const answer = plainText(lines.join(''), isOk ? 200 : 503)
  if (!isOk) answer.headers.set('Retry-After', '1')
  return answer
}
