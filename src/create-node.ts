/**
 * A node within a program of somebody else's: it ends no process, listens only where it is told
 * to, and can be mounted in an application that has a server already.
 *
 * @module
 */
import { Hono } from 'hono'
import type { CreateNodeOptions } from './create-node-options.ts'
import { StartError } from './errors.ts'
import { unavailable } from './http/mod.ts'
import type { NodeStatus } from './http/cluster/node-status.ts'
import { deferred } from './lib/deferred.ts'
import type { LogFields, Logger } from './lib/logger.ts'
import type { Bindings, NodeOptions, RunningNode } from './node-options.ts'
import { startNode } from './node.ts'
import { inOptions, nodeOptions } from './read-node-options.ts'
import { idleLimitAt } from './runtime/mod.ts'
import { VERSION } from './version.ts'

export interface EmbeddedStatus {
  /** `failed`: it had to end by itself, and only a new process may start it again. */
  readonly state: 'stopped' | 'starting' | 'running' | 'stopping' | 'failed'
  /** Where its own port is, such as `http://127.0.0.1:7400`; null: it has none, or is not running. */
  readonly url: string | null
  /** As `GET /v1/status` says it; null where it is not running. */
  readonly node: NodeStatus | null
}

export interface EmbeddedNode {
  /**
   * The whole HTTP API, to be mounted in another application: `host.route('/registry', node.app)`,
   * also at `/`. Before the start and after the end it answers 503. It has no users of its own:
   * who may call it is decided before it is reached.
   */
  readonly app: Hono
  /**
   * Resolves once it runs, and listens where it is to listen. Whether there is a leader yet is
   * another matter, which requests wait for by themselves. While it runs: the same again.
   *
   * @throws {StartError} where it cannot; nothing is left behind then.
   */
  start(): Promise<void>
  /**
   * Finishes what is under way, hands leadership over, syncs and closes: within 10 s. While it is
   * stopped: nothing. It may be started again.
   */
  stop(): Promise<void>
  status(): EmbeddedStatus
  /**
   * Resolves when the node had to end by itself: a failed disk, a broken invariant. It has ended by
   * then. Its directory stays locked until this process ends, since what a disk holds after a
   * failed write is known only to a process that reads it anew.
   */
  readonly failed: Promise<Error>
}

/**
 * A node that is not started yet. Options that cannot be meant are refused here.
 *
 * @throws {StartError} with exit code 2.
 */
export function createNode(options: CreateNodeOptions): EmbeddedNode {
  const logger = options.logger ?? consoleLogger
  return new OwnedNode({ ...nodeOptions(options), version: VERSION, logger })
}

type Phase =
  | { readonly state: 'stopped' }
  | { readonly state: 'starting'; readonly started: Promise<void> }
  | { readonly state: 'running'; readonly started: Promise<void>; readonly node: RunningNode }
  | { readonly state: 'stopping'; readonly node: RunningNode; readonly stopped: Promise<void> }
  | { readonly state: 'failed'; readonly error: Error }

const STOPPED: Phase = { state: 'stopped' }

class OwnedNode implements EmbeddedNode {
  readonly app: Hono
  readonly #options: NodeOptions
  readonly #failed = deferred<Error>()
  #phase: Phase = STOPPED

  constructor(options: NodeOptions) {
    this.#options = options
    this.app = mountable((request, bindings) => this.#fetch(request, bindings))
  }

  get failed(): Promise<Error> {
    return this.#failed.promise
  }

  start(): Promise<void> {
    const phase = this.#phase
    switch (phase.state) {
      case 'starting':
      case 'running':
        return phase.started
      case 'stopping':
        return phase.stopped.then(() => this.start())
      case 'failed':
        return Promise.reject(
          new StartError(
            1,
            `this node has failed (${phase.error.message}): only a new process may start it again`,
            { cause: phase.error },
          ),
        )
      case 'stopped':
        return this.#launch()
    }
  }

  #launch(): Promise<void> {
    const started = startNode(this.#options).then(
      (node) => {
        this.#phase = { state: 'running', started, node }
        void node.failed.then((error) => this.#fail(node, error))
      },
      (error: unknown) => {
        this.#phase = STOPPED
        throw error instanceof StartError ? inOptions(error) : error
      },
    )
    this.#phase = { state: 'starting', started }
    return started
  }

  async stop(): Promise<void> {
    const phase = this.#phase
    // One that did not start is stopped: why it did not is told to whoever started it.
    if (phase.state === 'starting') await phase.started.catch(() => {})
    const now = this.#phase
    if (now.state === 'stopping') return now.stopped
    if (now.state !== 'running') return
    const { node } = now
    const stopped = node.stop().finally(() => {
      if (this.#phase.state === 'stopping') this.#phase = STOPPED
    })
    this.#phase = { state: 'stopping', node, stopped }
    return stopped
  }

  #fail(node: RunningNode, error: Error): void {
    this.#phase = { state: 'failed', error }
    this.#options.logger.error('the node cannot go on', { error: error.message })
    node.abandon()
    this.#failed.resolve(error)
  }

  status(): EmbeddedStatus {
    const phase = this.#phase
    if (phase.state !== 'running') return { state: phase.state, url: null, node: null }
    return { state: 'running', url: phase.node.url, node: phase.node.status() }
  }

  #fetch(request: Request, bindings: Bindings): Response | Promise<Response> {
    const phase = this.#phase
    if ('node' in phase) return phase.node.fetch(request, bindings)
    return unavailable(request, `this node is ${WORDS[phase.state]}`, null)
  }
}

const WORDS = {
  stopped: 'not started',
  starting: 'starting',
  failed: 'at its end: it failed',
} as const

/**
 * One route for everything, so that the host's own errors, paths and decoding stay its own: below
 * where it is mounted the API reads the request as it came.
 */
function mountable(answer: RunningNode['fetch']): Hono {
  return new Hono().all('*', (c) =>
    answer(c.req.raw, {
      below: depthOf(c.req.routePath),
      ...idleLimitAt(c.env, c.req.raw),
    }),
  )
}

/**
 * How many segments stand before those of the API: 1 for a route `/registry/*`. Asked of the
 * request, since the host may bring a Hono of its own, whose `hono/route` ours cannot read.
 */
function depthOf(routePath: string): number {
  return routePath.split('/').length - 2
}

const consoleLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (message, fields) => console.warn(line(message, fields)),
  error: (message, fields) => console.error(line(message, fields)),
}

function line(message: string, fields: LogFields = {}): string {
  const said = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return ['rollcall:', message, ...said].join(' ')
}
