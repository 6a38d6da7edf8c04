/**
 * The nodes that the caller named, and which of them to ask next. Every node answers everything, so
 * this is about time alone: a node that failed is left alone for a while, a write goes to the leader
 * at once, and reads stay with one node, so that clients spread and a read finds its own writes.
 *
 * A hint (`Rollcall-Leader`) counts only when it names a node of the list: an address that a server
 * told is nowhere to send a token to, and inside a container network it may lead nowhere.
 */
import { RollcallError } from './error.ts'
import type { Ports } from './ports.ts'

export interface Endpoint {
  readonly url: string
  failures: number
  /** Until then it is asked only when all are down; monotonic. */
  downUntilMs: number
}

/** A node that failed is asked again after this long, doubled with each further failure. */
const DOWN_MIN_MS = 250
const DOWN_MAX_MS = 10_000

export class Endpoints {
  readonly #all: readonly Endpoint[]
  readonly #ports: Ports
  #preferred: number
  #leader: Endpoint | null = null

  constructor(urls: readonly string[], ports: Ports) {
    this.#all = urls.map((url) => ({ url: base(url), failures: 0, downUntilMs: 0 }))
    if (this.#all.length === 0) throw new RollcallError('invalid_argument', 'no endpoint is named')
    this.#ports = ports
    this.#preferred = Math.floor(ports.random() * this.#all.length)
  }

  /** The best one that is not in `tried`; null when all are. */
  next(tried: ReadonlySet<Endpoint>, toLeader: boolean): Endpoint | null {
    const nowMs = this.#ports.nowMs()
    const rank = (endpoint: Endpoint, at: number): number => {
      const size = this.#all.length
      if (endpoint.downUntilMs > nowMs) return size + endpoint.downUntilMs
      return toLeader && endpoint === this.#leader ? -1 : (at - this.#preferred + size) % size
    }
    let best: Endpoint | null = null
    let bestRank = Infinity
    for (const [at, endpoint] of this.#all.entries()) {
      const own = rank(endpoint, at)
      if (tried.has(endpoint) || own >= bestRank) continue
      best = endpoint
      bestRank = own
    }
    return best
  }

  /** It answered, with this leader hint. */
  answered(endpoint: Endpoint, leader: string | null): void {
    endpoint.failures = 0
    endpoint.downUntilMs = 0
    if (leader === null) return
    const url = leader.replace(/\/+$/, '')
    this.#leader = this.#all.find((one) => one.url === url) ?? null
  }

  /** It did not answer, or said that it cannot serve. */
  failed(endpoint: Endpoint): void {
    const downMs = Math.min(DOWN_MIN_MS * 2 ** endpoint.failures, DOWN_MAX_MS)
    endpoint.failures = Math.min(endpoint.failures + 1, 16)
    endpoint.downUntilMs = this.#ports.nowMs() + downMs
    if (this.#leader === endpoint) this.#leader = null
    if (this.#all[this.#preferred] === endpoint) {
      this.#preferred = (this.#preferred + 1) % this.#all.length
    }
  }
}

function base(text: string): string {
  const { origin, pathname, protocol, search, hash } = URL.canParse(text)
    ? new URL(text)
    : new URL('none:')
  if (/^https?:$/.test(protocol) && search + hash === '') {
    return (origin + pathname).replace(/\/+$/, '')
  }
  throw new RollcallError('invalid_argument', `the endpoint "${text}" is no http(s) base URL`)
}
