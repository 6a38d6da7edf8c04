/**
 * A world in the hand of a test: a clock that moves only when told, timers that fire with it, and
 * nodes that answer what the test's script says.
 */
import type { Ports } from '../../src/client/mod.ts'

export interface Asked {
  readonly method: string
  readonly url: URL
  /** Of the endpoint, such as `http://a`. */
  readonly node: string
  readonly headers: Headers
  readonly body: string
  readonly signal: AbortSignal
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
