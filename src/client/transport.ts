/**
 * One call of the API over several nodes: which node, when again, and when no more.
 *
 * The rule of retries (API.md "retries", DESIGN §8). A read may be asked again. A write is sent again
 * when it is known that nothing was applied, or under an idempotency key, which every write here has
 * unless the caller took it away; then the nodes apply it once, however often it arrives. A key is
 * kept for two minutes from the moment it was applied, so nothing is sent again that might arrive
 * later than that: {@link RETRY_WINDOW_MS} is what remains of them after one attempt and the rate by
 * which two clocks may differ. Once an attempt was left undecided, an error says `unknown`, unless it
 * was decided together with the write.
 */
import { duration } from './duration.ts'
import { Endpoints } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import { errorOf, lacking, parsed, RollcallError } from './error.ts'
import { queryText } from './path.ts'
import type { Query } from './path.ts'
import { backoff, linked, pause, randomId } from './ports.ts'
import type { Ports } from './ports.ts'

/** From the first sending that may have been applied to the last sending of the same key. */
const RETRY_WINDOW_MS = 100_000
const TIMEOUT_MS = 15_000
/** A node gives up on finding a leader after 5 s and says why: better than our own impatience. */
const ATTEMPT_MS = 6_000
const PAUSE_MIN_MS = 25
const PAUSE_MAX_MS = 1_000
/** More than this no node may ask us to wait. */
const RETRY_AFTER_MAX_MS = 5_000

/** `undefined` and `null` are left out. */
export type HeaderFields = Readonly<Record<string, string | null | undefined>>

export interface CallOptions {
  readonly query?: Query
  readonly headers?: HeaderFields
  /** Sent as JSON. */
  readonly json?: unknown
  /** Sent as it is, under `contentType`. */
  readonly body?: string | Uint8Array
  readonly contentType?: string
  /** Of the whole call, retries included; 15 s. */
  readonly timeoutMs?: number
  /** Of one attempt at one node; 6 s, or what a `wait` needs more. */
  readonly attemptMs?: number
  readonly signal?: AbortSignal | undefined
  /**
   * Of a write: its key. By itself each write has a random one; null sends the write without, and
   * then only once, unless it is known not to have been applied.
   */
  readonly idempotencyKey?: string | null
  /** A write that needs no key to be repeated, such as a renewal. */
  readonly repeatable?: boolean
  /** A read is never answered from before this; by itself the newest revision seen. 0: from any. */
  readonly minRevision?: number
  /** The body is handed over as a stream, and read by the caller. */
  readonly stream?: boolean
}

/** An answer that is no error. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Of the store, as this answer reflects it; null where the node did not say. */
  readonly revision: number | null
  /** When the attempt that was answered was sent, and the first one that may have counted. */
  readonly sentMs: number
  readonly firstSentMs: number
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Only of a call with `stream`: its body, not yet read. */
  readonly stream: ReadableStream<Uint8Array> | null
  readonly text: () => string
  /** The body as the JSON that the contract promises: nothing of it has been checked. */
  readonly json: <T>() => T
}

/** A long poll: answered by a change after `since`, or after `waitMs`. */
export function waiting(since: number, waitMs: number): CallOptions {
  const limits = { attemptMs: waitMs + ATTEMPT_MS, timeoutMs: waitMs + TIMEOUT_MS }
  return { ...limits, query: { since, wait: duration(waitMs) } }
}

/** What an answer is true as of. */
export function asOf({ revision }: { readonly revision: number | null }): number {
  if (revision !== null) return revision
  throw lacking('a revision')
}

export interface TransportOptions {
  readonly endpoints: readonly string[]
  readonly namespace: string | undefined
  readonly headers: HeaderFields
  readonly ports: Ports
}

/** Decided together with the write itself, so also true of the attempts before. */
const DECIDED: ReadonlySet<string> = new Set([
  'not_found',
  'conflict',
  'version_mismatch',
  'stale_token',
])
/** Where another node, or the same one later, may do better. */
const PASSING = new Set([429, 500, 502, 503, 504])
/** Of an attempt that never left, by runtime. */
const NEVER_SENT = /refused|ENOTFOUND|EAI_AGAIN|FailedToOpenSocket/i
/** Reads that take `min-revision`: those of the replicated state. */
const OF_THE_STATE = /^\/v1\/(services|config(-history|-diff|-schemas|-stages)?|leases|locks)(\/|$)/

export class Transport {
  readonly ports: Ports
  readonly #options: TransportOptions
  readonly #endpoints: Endpoints
  /** The newest revision that any answer reflected: reads never go behind it. */
  #seen = 0

  constructor(options: TransportOptions) {
    this.ports = options.ports
    this.#options = options
    this.#endpoints = new Endpoints(options.endpoints, options.ports)
  }

  /** Tells of a revision that came by another way than an answer, such as an event. */
  saw(revision: number): void {
    if (revision > this.#seen) this.#seen = revision
  }

  /**
   * Asks until there is an answer. Throws {@link RollcallError}, or the reason of `signal`: a write
   * that was cut off so may have happened.
   */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const call = new Call(method, path, options, this.ports)
    const nextPause = backoff(this.ports, PAUSE_MIN_MS, PAUSE_MAX_MS)
    for (;;) {
      options.signal?.throwIfAborted()
      const endpoint = this.#endpoints.next(call.tried, call.isWrite)
      if (endpoint === null) {
        await pause(this.ports, Math.max(nextPause(), call.retryAfterMs), options.signal)
        call.nextRound()
        continue
      }
      const answer = await this.#attempt(call, endpoint)
      if (answer !== null) return answer
    }
  }

  /** Null where it is worth another attempt, which `call` then allows. */
  async #attempt(call: Call, endpoint: Endpoint): Promise<Answer | null> {
    const attemptMs = call.begin(endpoint)
    const sentMs = this.ports.nowMs()
    let answer: Answer
    try {
      answer = await this.#send(call, endpoint, { attemptMs, sentMs })
    } catch (cause) {
      call.options.signal?.throwIfAborted()
      this.#endpoints.failed(endpoint)
      return call.notAnswered(cause, sentMs)
    }
    this.saw(answer.revision ?? 0)
    if (answer.status === 503 || answer.status === 500) this.#endpoints.failed(endpoint)
    else this.#endpoints.answered(endpoint, answer.headers.get('rollcall-leader'))
    return call.answered(answer)
  }

  async #send(
    call: Call,
    { url }: Endpoint,
    { attemptMs, sentMs }: { readonly attemptMs: number; readonly sentMs: number },
  ): Promise<Answer> {
    const { options } = call
    const cut = linked(options.signal)
    const cancel = this.ports.timer(
      () => cut.abort(new Error(`no answer within ${Math.ceil(attemptMs)} ms`)),
      attemptMs,
    )
    let isStreaming = false
    try {
      const response = await this.ports.fetch(url + call.path + queryText(this.#query(call)), {
        method: call.method,
        headers: this.#headers(call),
        signal: cut.signal,
        redirect: 'manual', // A redirect is no answer of ours, and would carry the token along.
        ...(call.body === null ? {} : { body: call.body }),
      })
      isStreaming = options.stream === true && response.ok
      const bytes = isStreaming ? new Uint8Array() : new Uint8Array(await response.arrayBuffer())
      return answerOf(response, { bytes, sentMs, firstSentMs: call.firstSentMs ?? sentMs })
    } finally {
      cancel()
      // A stream is left with its caller's signal, and read by nobody else.
      if (!isStreaming) cut.end()
    }
  }

  #query({ method, path, options: { query = {}, minRevision = this.#seen } }: Call): Query {
    const isRead = method === 'GET' && minRevision > 0 && OF_THE_STATE.test(path)
    return isRead ? { 'min-revision': minRevision, ...query } : query
  }

  #headers({ key, options, contentType }: Call): Record<string, string> {
    const fields: HeaderFields = {
      ...this.#options.headers,
      'Rollcall-Namespace': this.#options.namespace,
      'Content-Type': contentType,
      'Idempotency-Key': key,
      ...options.headers,
    }
    return Object.fromEntries(
      Object.entries(fields).filter((field): field is [string, string] => field[1] != null),
    )
  }
}

/** One call, over all its attempts. */
class Call {
  readonly method: string
  readonly path: string
  readonly options: CallOptions
  readonly isWrite: boolean
  readonly key: string | null
  readonly body: string | Uint8Array<ArrayBuffer> | null
  readonly contentType: string | null
  readonly tried = new Set<Endpoint>()
  /** When that was sent for the first time which may have been applied. */
  firstSentMs: number | null = null
  retryAfterMs = 0
  readonly #nowMs: () => number
  readonly #endMs: number
  readonly #attemptMs: number
  #last: RollcallError | null = null

  constructor(method: string, path: string, options: CallOptions, ports: Ports) {
    this.method = method
    this.path = path
    this.options = options
    this.isWrite = method !== 'GET' && method !== 'HEAD'
    const { idempotencyKey, repeatable = false, json, body } = options
    this.key = this.isWrite && !repeatable ? (idempotencyKey ?? null) : null
    if (idempotencyKey === undefined && this.isWrite && !repeatable) this.key = randomId()
    this.body =
      json === undefined ? ((body as Uint8Array<ArrayBuffer>) ?? null) : JSON.stringify(json)
    this.contentType =
      options.contentType ?? (json === undefined ? null : 'application/json; charset=utf-8')
    this.#nowMs = ports.nowMs
    this.#attemptMs = options.attemptMs ?? ATTEMPT_MS
    this.#endMs = ports.nowMs() + (options.timeoutMs ?? Math.max(TIMEOUT_MS, this.#attemptMs))
  }

  /** An attempt begins: answers how long it may take. */
  begin(endpoint: Endpoint): number {
    this.tried.add(endpoint)
    return Math.max(1, Math.min(this.#attemptMs, this.#endMs - this.#nowMs()))
  }

  nextRound(): void {
    this.tried.clear()
    this.retryAfterMs = 0
    if (!this.#mayGoOn()) throw this.#failure()
  }

  notAnswered(cause: unknown, sentMs: number): null {
    const isSent = !NEVER_SENT.test(words(cause))
    this.#last = new RollcallError('unreachable', `no node answered: ${words(cause)}`, {
      cause,
      outcome: !this.isWrite ? null : isSent ? 'unknown' : 'not_applied',
    })
    return this.#again(this.#last, sentMs)
  }

  /** The answer, where it is one; null where another attempt may bring a better one. */
  answered(answer: Answer): Answer | null {
    const { status, headers, sentMs } = answer
    if ((status >= 200 && status < 300) || status === 304) return answer
    const error = errorOf(answer, this.isWrite)
    this.#last = error
    if (!PASSING.has(status)) throw this.#failure()
    if (status === 429) {
      const afterMs = Number(headers.get('retry-after') ?? 0) * 1_000
      this.retryAfterMs = Math.min(afterMs || 0, RETRY_AFTER_MAX_MS)
    }
    return this.#again(error, sentMs)
  }

  #again(error: RollcallError, sentMs: number): null {
    if (error.outcome === 'unknown') this.firstSentMs ??= sentMs
    const isSafe =
      !this.isWrite ||
      this.key !== null ||
      this.options.repeatable === true ||
      this.firstSentMs === null
    if (!isSafe || !this.#mayGoOn()) throw this.#failure()
    return null
  }

  #mayGoOn(): boolean {
    const nowMs = this.#nowMs()
    const isKeyKept =
      this.key === null || this.firstSentMs === null || nowMs < this.firstSentMs + RETRY_WINDOW_MS
    return nowMs < this.#endMs && isKeyKept
  }

  /** The last error, with the outcome of all attempts together. */
  #failure(): RollcallError {
    const last = this.#last ?? new RollcallError('unreachable', 'no node answered in time')
    const isOpen = this.isWrite && this.firstSentMs !== null && !DECIDED.has(last.code)
    if (!isOpen || last.outcome === 'unknown') return last
    const { code, detail, status, problem, revision } = last
    return new RollcallError(code, `${detail}; an earlier attempt may have been applied`, {
      status,
      problem,
      revision,
      outcome: 'unknown',
      cause: last,
    })
  }
}

function answerOf(
  response: Response,
  rest: Pick<Answer, 'bytes' | 'sentMs' | 'firstSentMs'>,
): Answer {
  const revision = response.headers.get('rollcall-revision')
  const text = () => new TextDecoder().decode(rest.bytes)
  return {
    status: response.status,
    headers: response.headers,
    revision: revision === null || !/^\d+$/.test(revision) ? null : Number(revision),
    ...rest,
    stream: response.bodyUsed ? null : response.body,
    text,
    json: () => parsed(text()),
  }
}

function words(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { readonly code?: unknown }
  const inner = error.cause === undefined || error.cause === error ? '' : ` (${words(error.cause)})`
  return `${typeof code === 'string' ? `${code} ` : ''}${error.message}${inner}`
}
