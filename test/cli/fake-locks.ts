/**
 * A node that only knows locks, as a process of its own that can be stopped or killed: what the
 * command line does when nobody answers can be tested without a cluster. `POST /taken` takes a lock
 * away; `GET /log` tells what was asked, and when a grant or a renewal was last answered.
 */
interface Grant {
  readonly token: number
  readonly ttlMs: number
  readonly owner: string
}

const held = new Map<string, Grant>()
const log: string[] = []
let tokens = 100
/** Wall time, which a shell can write down too. */
let answeredMs = 0

const problem = (status: number, code: string, more: object = {}) =>
  Response.json(
    { code, detail: `${code} of the test`, outcome: 'not_applied', ...more },
    { status },
  )

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url)
  const [, , , name = '', action] = url.pathname.split('/')
  if (url.pathname === '/log') return Response.json({ log, answeredMs })
  if (url.pathname === '/taken') {
    held.clear()
    return new Response(null, { status: 204 })
  }
  log.push(`${request.method} ${url.pathname}${url.search}`)
  const grant = held.get(name)
  if (request.method === 'DELETE') {
    held.delete(name)
    return new Response(null, { status: 204 })
  }
  if (action === 'renew') {
    if (grant === undefined) return problem(404, 'not_found')
    answeredMs = Date.now()
    return Response.json({ token: grant.token, ttlMs: grant.ttlMs })
  }
  const { owner, ttl } = (await request.json()) as { readonly owner: string; readonly ttl: string }
  if (grant !== undefined) return problem(409, 'conflict', { holders: [grant], waiters: [] })
  const made = { token: (tokens += 1), ttlMs: Number.parseInt(ttl), owner }
  held.set(name, made)
  answeredMs = Date.now()
  return Response.json({ name, ...made, ttl })
}

const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer })
console.log(server.url.origin)
