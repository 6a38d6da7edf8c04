/**
 * A node that only knows locks, as a process of its own that can be stopped or killed: what the
 * command line does when nobody answers can be tested without a cluster. `POST /taken` takes all
 * locks away. It prints its address, then the wall time at which it answered a grant or a renewal,
 * and each release.
 */
interface Grant {
  readonly token: number
  readonly ttlMs: number
  readonly owner: string
}

const held = new Map<string, Grant>()
let tokens = 100

const problem = (status: number, code: string, more: object = {}) =>
  Response.json(
    { code, detail: `${code} of the test`, outcome: 'not_applied', ...more },
    { status },
  )

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url)
  const [, , , name = '', action] = url.pathname.split('/')
  if (url.pathname === '/taken') {
    held.clear()
    return new Response(null, { status: 204 })
  }
  const grant = held.get(name)
  if (request.method === 'DELETE') {
    held.delete(name)
    console.log(`released ${name} ${url.search}`)
    return new Response(null, { status: 204 })
  }
  if (action === 'renew') {
    if (grant === undefined) return problem(404, 'not_found')
    console.log(`answered ${Date.now()}`)
    return Response.json({ token: grant.token, ttlMs: grant.ttlMs })
  }
  const { owner, ttl } = (await request.json()) as { readonly owner: string; readonly ttl: string }
  if (grant !== undefined) return problem(409, 'conflict', { holders: [grant], waiters: [] })
  const made = { token: (tokens += 1), ttlMs: Number.parseInt(ttl), owner }
  held.set(name, made)
  console.log(`answered ${Date.now()}`)
  return Response.json({ name, ...made, ttl })
}

const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: answer })
console.log(server.url.origin)
