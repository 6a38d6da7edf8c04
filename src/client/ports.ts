/** What the client takes from its surroundings, so that tests can hold the clock in their hand. */
export interface Ports {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  /** Monotonic milliseconds. */
  readonly nowMs: () => number
  /** From 0 up to, and without, 1. */
  readonly random: () => number
  /** Runs `task` once, `ms` from now; answers what cancels it. */
  readonly timer: (task: () => void, ms: number) => () => void
}

/** `setTimeout` takes 32 bits: a longer pause would end at once. */
const TIMER_MAX_MS = 2 ** 31 - 1

/** The ports of every runtime that has web standards. */
export function webPorts(): Ports {
  return {
    // Not bound: some runtimes refuse a `fetch` that is called as a method of something else.
    fetch: (url, init) => globalThis.fetch(url, init),
    nowMs: () => performance.now(),
    random: Math.random,
    timer: (task, ms) => {
      const id = setTimeout(task, Math.min(ms, TIMER_MAX_MS))
      return () => clearTimeout(id)
    },
  }
}

/** Resolves after `ms`, or at once when `signal` fires: the caller looks which it was. */
export function pause(ports: Ports, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const cancel = ports.timer(done, ms)
    signal?.addEventListener('abort', done)
  })
}

/**
 * Growing pauses between attempts: each is drawn from the upper half of a window that doubles from
 * `minMs` to `maxMs`, so clients that failed together come back apart.
 */
export function backoff(ports: Ports, minMs: number, maxMs: number): () => number {
  let windowMs = minMs
  return () => {
    const pauseMs = (windowMs * (1 + ports.random())) / 2
    windowMs = Math.min(windowMs * 2, maxMs)
    return pauseMs
  }
}

/** 128 random bits in hex: an idempotency key, an id that nobody else has. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Fires when either does. */
export function either(one: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? one : AbortSignal.any([one, other])
}

/** A controller that fires with `parent` too, until `end`: long-lived signals collect no listeners. */
export function linked(parent: AbortSignal | undefined): AbortController & { end(): void } {
  const controller = new AbortController()
  const fire = () => controller.abort(parent?.reason)
  if (parent?.aborted === true) fire()
  parent?.addEventListener('abort', fire)
  return Object.assign(controller, { end: () => parent?.removeEventListener('abort', fire) })
}
