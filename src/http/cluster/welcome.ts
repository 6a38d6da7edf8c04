/** `GET /`: five lines to try. */
import { Hono } from 'hono'

import { plainText } from '../answer.ts'
import type { Edge, Env } from '../edge.ts'
import { Query } from '../request/query.ts'

export function welcomeRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>().get('/', (c) => {
    new Query(c.req.url).allow([])
    return plainText(fiveLines(edge.registry.status().url ?? originOf(c.req.url)))
  })
}

/** A node that only dials has no URL of its own: then it is the one that was just asked. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'http://127.0.0.1:7400'
}

function fiveLines(url: string): string {
  const body = '{"address":"127.0.0.1","port":8080,"ttl":"15s"}'
  return `\
curl -X PUT ${url}/v1/services/web/instances/web-1 -d '${body}'
curl -X POST ${url}/v1/services/web/instances/web-1/heartbeat
curl '${url}/v1/services/web?available=true'
curl -X PUT ${url}/v1/config/app/greeting -d hello
curl ${url}/v1/cluster
`
}
