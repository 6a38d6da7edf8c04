/**
 * A browser, and the origin that its page comes from: nodes refuse what foreign pages ask, so a page
 * reaches them behind the host that served it, as behind any reverse proxy.
 */
import { join } from 'node:path'
import { Program } from '../support/program.ts'
import { within } from '../support/until.ts'

const FLAGS = [
  '--headless=new',
  '--no-sandbox', // As root there is none. It loads our page, and no name but ours resolves.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
]

/** Opens a page that runs `script`, with the nodes below paths of its origin. Answers what it posts. */
export async function seenByPage(
  browser: string,
  script: string,
  nodes: readonly string[],
): Promise<unknown> {
  const posted = Promise.withResolvers<unknown>()
  const origin = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0, // Watches stay open.
    routes: {
      '/': new Response('<!doctype html><script type="module" src="/page.js"></script>', {
        headers: { 'Content-Type': 'text/html' },
      }),
      '/page.js': () => new Response(Bun.file(script)),
      '/endpoints': Response.json(nodes.map((_, place) => `/nodes/${place}`)),
      '/seen': async (request) => {
        posted.resolve(await request.json())
        return new Response()
      },
    },
    fetch: (request) => passedOn(request, nodes),
  })
  const folder = join(script, '..', 'browser')
  const program = new Program('the browser', [
    browser,
    ...FLAGS,
    `--user-data-dir=${folder}`,
    origin.url.href,
  ])
  try {
    return await within('the page posts what it saw', posted.promise)
  } finally {
    program.signal('SIGTERM') // Its processes end with it.
    await program.ended().catch(() => program.kill())
    await origin.stop(true)
  }
}

/** `/nodes/1/v1/…` is `/v1/…` of the second node; it hears under which name the browser asked. */
async function passedOn(request: Request, nodes: readonly string[]): Promise<Response> {
  const { pathname, search, host } = new URL(request.url)
  const [, place, path] = /^\/nodes\/(\d+)(\/.*)$/.exec(pathname) ?? []
  const node = nodes[Number(place)]
  if (node === undefined || path === undefined) return new Response(null, { status: 404 })
  const headers = new Headers(request.headers)
  headers.set('Host', host)
  const { method, body, signal } = request
  return fetch(`${node}${path}${search}`, { method, headers, body, signal, redirect: 'manual' })
}
