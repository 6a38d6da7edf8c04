/**
 * rollcall with a node that only listens: the command line's own behaviour (signals, children,
 * exit codes) can be tested without a cluster. `--id` chooses how the node behaves.
 */
import process from 'node:process'
import { processContext, processTerminal, runCli } from '../../src/cli/mod.ts'
import { StartError } from '../../src/node-options.ts'
import type { NodeOptions, RunningNode } from '../../src/node-options.ts'

async function startNode(options: NodeOptions): Promise<RunningNode> {
  if (options.id === 'refused' || process.env['FAKE_NODE'] === 'refused')
    throw new StartError(3, 'the data directory is in use')
  if (options.id === 'surprised') throw new TypeError('nobody expected this')
  if (options.id === 'waiting') return new Promise(() => setInterval(() => {}, 1_000))
  const { host, port } = options.listen ?? { host: '127.0.0.1', port: 0 }
  const role = options.id === 'n1' ? 'leader' : 'follower'
  const status = { id: options.id, role, term: 1, hostile: '\u001b[2J' }
  const server = Bun.serve({
    hostname: host,
    port,
    fetch: (request) =>
      request.url.endsWith('/v1/status') ? Response.json(status) : new Response(),
  })
  if (options.id === 'callback') {
    setTimeout(() => {
      throw new Error('thrown in a callback')
    }, 0)
  }
  const failed = options.id === 'failing' ? Promise.resolve(new Error('disk gone')) : never<Error>()
  options.logger.warn('fake node', { pid: process.pid })
  const stop = () => (options.id === 'stuck' ? never<void>() : server.stop(true))
  const url = `http://${host}:${server.port}`
  const id = options.id ?? 'generated'
  return { url, id, sqlite: 'bun', stop, failed, fetch: never, status: unasked, abandon: never }
}

function unasked(): never {
  throw new Error('the command line asks a node over HTTP')
}

function openRecovery(): never {
  throw new Error('no test of this program recovers')
}

function never<T>(): Promise<T> {
  return new Promise(() => {})
}

const build = { version: '0.0.0', commit: 'none', compiled: false }
process.exit(
  await runCli(processContext({ build, terminal: processTerminal(), startNode, openRecovery })),
)
