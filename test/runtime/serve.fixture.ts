/** Run on other runtimes by `serve-elsewhere.test.ts`: prints what it found as one line of JSON. */
import { deferred } from '../../src/lib/deferred.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { prng } from '../../src/lib/prng.ts'
import { hmacSha256, Mesh, meshConfig, randomNonce } from '../../src/mesh/mod.ts'
import { loadDial } from '../../src/runtime/dial.ts'
import { serve, type ServeOptions } from '../../src/runtime/serve.ts'

const options: ServeOptions = {
  host: '127.0.0.1',
  port: 0,
  mesh: null,
  maxBodyBytes: 1_000,
  fetch: async (request, remote) => {
    const body = await request.arrayBuffer()
    return new Response(`${remote.address} ${body.byteLength}`)
  },
}
const facts: Record<string, unknown> = {}

const server = await serve(options)
const put = async (body: Uint8Array<ArrayBuffer> | ReadableStream) => {
  const answer = await fetch(server.url, { method: 'PUT', body, duplex: 'half' } as RequestInit)
  return [answer.status, await answer.text()]
}
const chunked = (chunks: number) =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      if (chunks-- > 0) controller.enqueue(new Uint8Array(500))
      else controller.close()
    },
  })
facts.small = await put(new Uint8Array(5))
facts.large = await put(new Uint8Array(200_000))
facts.smallChunks = await put(chunked(2))
facts.largeChunks = await put(chunked(400)).then(
  ([status]) => status,
  () => 500,
)
facts.portInUse = await serve({ ...options, port: server.port }).then(
  () => 'none',
  (error) => error.code,
)
// A stream that the client gives up comes to its end here too.
facts.givenUp = await (async () => {
  const cancelled = deferred<string>()
  const slow = await serve({
    ...options,
    fetch: () => {
      const never = new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(10)),
        cancel: () => cancelled.resolve('cancelled'),
      })
      return new Response(never)
    },
  })
  const leaving = new AbortController()
  const answer = await fetch(slow.url, { signal: leaving.signal })
  await answer.body?.getReader().read()
  leaving.abort()
  const heard = await cancelled.promise
  slow.closeNow()
  return heard
})()
facts.whole = await (async () => {
  const bytes = 8 * 1024 * 1024
  const large = await serve({ ...options, fetch: () => new Response(new Uint8Array(bytes)) })
  const { byteLength } = await (await fetch(large.url)).arrayBuffer()
  await large.stop()
  return byteLength === bytes
})()
facts.pageAtMesh = await (async () => {
  const meshed = await serve({ ...options, mesh: (socket) => (socket.close(), inert) })
  const headers = { Upgrade: 'websocket', Connection: 'Upgrade', Origin: 'http://evil.example' }
  const net = await import('node:http')
  const status = await new Promise((resolve) => {
    net
      .get(`${meshed.url}/mesh`, { headers }, (answer) => {
        resolve(answer.statusCode)
        answer.resume()
      })
      .on('error', resolve)
  })
  meshed.closeNow()
  return status
})()
await server.stop()

const inert = { open: () => {}, message: () => {}, close: () => {} }
const heard: string[] = []
const done = deferred<void>()
const dial = await loadDial()

async function node(id: string) {
  const own = await serve({ ...options, mesh: (socket) => mesh.accept(socket) })
  const identity = { id, incarnation: 'i', foundingList: null, url: own.url, version: '1' }
  const mesh: Mesh = new Mesh(
    meshConfig({
      identity: {
        ...identity,
        clusterId: null,
        membershipIndex: 0,
        join: null,
        witness: false,
        clusterVersionMax: 2,
      },
      secret: new Uint8Array(0),
      dialsAlways: false,
    }),
    {
      dial,
      nowMs: () => performance.now(),
      setTimer: (ms, run) => {
        const timer = setTimeout(run, ms)
        return () => clearTimeout(timer)
      },
      random: prng(1),
      mac: hmacSha256,
      nonce: randomNonce,
      logger: silentLogger,
    },
    {
      judge: () => null,
      up: (peer) => {
        const command = new Uint8Array(1 << 20).fill(7)
        mesh.send(peer.id, { type: 'request', id: 1, request: { type: 'propose', command } })
        mesh.flush()
      },
      down: () => {},
      receive: (from, messages) => {
        for (const message of messages) {
          if (message.type !== 'request' || message.request.type !== 'propose') continue
          heard.push(`${id} heard ${message.request.command.length} bytes of ${from}`)
        }
        if (heard.length === 2) done.resolve()
      },
    },
  )
  return { mesh, own }
}

const [n1, n2] = [await node('n1'), await node('n2')]
n1.mesh.setPeers([{ id: 'n2', url: n2.own.url }])
await done.promise
facts.heard = heard.sort()
for (const { mesh, own } of [n1, n2]) {
  mesh.stop()
  own.closeNow()
}
console.log(JSON.stringify(facts))
