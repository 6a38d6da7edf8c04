/**
 * A world in the hand of a test: a clock that moves only when told, timers that fire with it, and
 * nodes that answer what the test's script says.
 */
import { createClient, RollcallError } from '../../src/client/mod.ts'
import type { Client, ClientOptions, Ports } from '../../src/client/mod.ts'

export interface Asked {
  readonly method: string
  readonly url: URL
  /** Of the endpoint, such as `http://a`. */
  readonly node: string
  readonly headers: Headers
  readonly body: string
  readonly signal: AbortSignal
  readonly redirect: string | undefined
  readonly atMs: number
}

export type Reply = Response | Promise<Response>

interface Timer {
  readonly atMs: number
  readonly task: () => void
}

export class World {
  nowMs = 1_000
  readonly asked: Asked[] = []
  /** Answers a request; throws, or never settles, as a network does. */
  script: (asked: Asked) => Reply = () => problem(404, 'no_such_route')
  readonly #timers = new Set<Timer>()

  readonly ports: Ports = {
    nowMs: () => this.nowMs,
    random: () => 0,
    timer: (task, ms) => {
      const timer = { atMs: this.nowMs + ms, task }
      this.#timers.add(timer)
      return () => void this.#timers.delete(timer)
    },
    fetch: (url, init) => this.#fetch(url, init),
  }

  /** Lets `ms` pass, timer after timer, with all that becomes of each. */
  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms
    await settled()
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > endMs) break
      this.#timers.delete(next)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.task()
      await settled()
    }
    this.nowMs = endMs
    await settled()
  }

  /** Lets time pass until `promise` is settled, for at most `ms`; gives it back. */
  async until<T>(promise: Promise<T>, ms = 600_000): Promise<T> {
    const state = { isSettled: false }
    const mark = () => void (state.isSettled = true)
    promise.then(mark, mark)
    const endMs = this.nowMs + ms
    await settled()
    while (!state.isSettled) {
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined || next.atMs > endMs) throw new Error('it waits for nothing')
      await this.pass(Math.max(0, next.atMs - this.nowMs))
    }
    return promise
  }

  get timers(): number {
    return this.#timers.size
  }

  async #fetch(text: string, init: RequestInit): Promise<Response> {
    const url = new URL(text)
    const signal = init.signal as AbortSignal
    const asked: Asked = {
      method: init.method ?? 'GET',
      url,
      node: url.origin,
      headers: new Headers(init.headers),
      body:
        typeof init.body === 'string'
          ? init.body
          : new TextDecoder().decode(init.body as Uint8Array),
      signal,
      redirect: init.redirect,
      atMs: this.nowMs,
    }
    this.asked.push(asked)
    return await Promise.race([aborted(signal), this.script(asked)])
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error))
  })
}

/** All promises that could go on have gone on: a macrotask later, some rounds of it. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 4; round++) await new Promise((resolve) => setImmediate(resolve))
}

export interface Stamp {
  readonly revision?: number
  readonly leader?: string
  readonly headers?: Record<string, string>
}

export function json(body: unknown, status = 200, stamp: Stamp = {}): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/json', ...headersOf(stamp) },
  })
}

export function problem(
  status: number,
  code: string,
  members: Record<string, unknown> = {},
  stamp: Stamp = {},
): Response {
  const body = { type: `/problems/${code}`, title: code, status, detail: `it was ${code}`, code }
  return new Response(JSON.stringify({ ...body, ...members }), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...headersOf(stamp) },
  })
}

function headersOf({ revision, leader, headers = {} }: Stamp): Record<string, string> {
  return {
    ...(revision === undefined ? {} : { 'Rollcall-Revision': String(revision) }),
    ...(leader === undefined ? {} : { 'Rollcall-Leader': leader }),
    ...headers,
  }
}

/** What a runtime throws where nobody listens. */
export function refused(): Error {
  return Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' })
}

export const never = (): Promise<Response> => new Promise(() => {})

/** An answer that the test gives when it likes. */
export function held(): {
  readonly reply: Promise<Response>
  readonly answer: (response: Response) => void
} {
  const { promise, resolve } = Promise.withResolvers<Response>()
  return { reply: promise, answer: resolve }
}

/** An event stream that the test writes; it breaks when the client leaves it. */
export class Stream {
  readonly response: Response
  readonly #controller: ReadableStreamDefaultController<Uint8Array>
  isLeft = false

  constructor({ signal }: Pick<Asked, 'signal'>, headers: Record<string, string> = {}) {
    let own: ReadableStreamDefaultController<Uint8Array> | null = null
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (own = controller),
      cancel: () => void (this.isLeft = true),
    })
    this.#controller = own as unknown as ReadableStreamDefaultController<Uint8Array>
    this.response = new Response(body, {
      headers: { 'Content-Type': 'text/event-stream', ...headers },
    })
    signal.addEventListener('abort', () => {
      if (this.isLeft) return
      this.isLeft = true
      this.#controller.error(signal.reason)
    })
  }

  write(text: string): void {
    if (!this.isLeft) this.#controller.enqueue(new TextEncoder().encode(text))
  }

  /** `id`: null where more of the same revision follows. */
  event(event: string, data: unknown, id: number | null): void {
    const end = id === null ? '' : `id: ${id}\n`
    this.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n${end}\n`)
  }

  mark(event: 'sync' | 'progress', revision: number): void {
    this.event(event, { revision }, revision)
  }

  end(): void {
    if (!this.isLeft) this.#controller.close()
    this.isLeft = true
  }
}

export async function failure(promise: Promise<unknown>): Promise<RollcallError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (error instanceof RollcallError) return error
  throw new Error(`not refused as expected: ${String(error)}`)
}

export const NODES = ['http://a', 'http://b', 'http://c']

export function clientIn(
  world: World,
  options: Partial<ClientOptions> = {},
  ports: Partial<Ports> = {},
): Client {
  return createClient({ endpoints: NODES, ...options }, { ...world.ports, ...ports })
}
