/** Locks, semaphores and leaderships (DESIGN §8): granted in order, fenced by a token that grows. */
import { duration, millis } from './duration.ts'
import type { Duration } from './duration.ts'
import { isCode } from './error.ts'
import { Keeper } from './keeper.ts'
import type { Held } from './keeper.ts'
import { path } from './path.ts'
import { pause, randomId } from './ports.ts'
import type { Session } from './session.ts'

export interface LockOptions {
  /** How long it is kept without a renewal; 10 s. */
  readonly ttl?: Duration
  /** How long to queue for it; 30 s. `0s` asks once. Past it: `conflict`, with `holders`. */
  readonly wait?: Duration
  /** A label for those who look; it identifies nobody. */
  readonly owner?: string
  /** Shown to those who look. */
  readonly value?: string
  /** Ends the waiting; it has no say about a lock that is held. */
  readonly signal?: AbortSignal
  /**
   * How long before the end of its time to live `signal` of the lock fires; a twentieth of the time
   * to live by itself. What needs time to stop asks for more.
   */
  readonly marginMs?: number
}

export interface SemaphoreOptions extends LockOptions {
  /** How many may hold it at once: the same for all who ask. */
  readonly limit: number
}

/** `await using lock = await client.lock('a')`. */
export interface Lock extends Held {
  readonly name: string
  /** The fencing token: larger than any that was granted before under this name. */
  readonly token: number
  readonly owner: string
  /** Changes what those who look are shown. Throws `not_found` where it is lost. */
  setValue(value: string): Promise<void>
}

/** Who holds a lock or leads, as anybody sees it. */
export interface Holder {
  readonly owner: string
  readonly token: number
  readonly value?: string | null
}

const TTL: Duration = '10s'
const WAIT: Duration = '30s'
/** The longest wait that a node takes; a longer one queues again. */
const WAIT_MAX_MS = 600_000
/** Of a call, beyond the wait: for an answer, and for another node. */
const GRACE_MS = 6_000
/** Between two requests of one wait: what is refused at once must not be asked for without a rest. */
const PAUSE_MS = 500

/** Queues until it is granted. Throws `conflict` when it was not in time. */
export async function acquire(
  session: Session,
  name: string,
  options: LockOptions & { readonly limit?: number; readonly waitMs?: number },
): Promise<Lock> {
  session.assertOpen()
  const { wait = WAIT, waitMs = millis(wait), signal } = options
  const owner = options.owner ?? `client-${randomId().slice(0, 8)}`
  const { ports } = session
  const endMs = ports.nowMs() + waitMs
  for (;;) {
    signal?.throwIfAborted()
    const leftMs = Math.max(0, endMs - ports.nowMs())
    try {
      return await ask(session, name, { ...options, owner, waitMs: Math.min(leftMs, WAIT_MAX_MS) })
    } catch (error) {
      // A fresh request queues anew: under its own key, after the old one was kept no longer.
      if (ports.nowMs() >= endMs || !isWorthAsking(error, options.limit ?? 1)) throw error
    }
    await pause(ports, PAUSE_MS, signal)
  }
}

/**
 * Whether another request may be granted: nobody knows what became of this one, or it was lost or
 * not granted before the time was over. Nobody waits for a lock that has another limit.
 */
function isWorthAsking(error: unknown, limit: number): boolean {
  if (!isCode(error)) return false
  const { code, outcome, problem } = error
  return code === 'conflict'
    ? (problem['limit'] ?? limit) === limit
    : code === 'lost' || outcome === 'unknown'
}

async function ask(
  session: Session,
  name: string,
  options: LockOptions & {
    readonly limit?: number
    readonly owner: string
    readonly waitMs: number
  },
): Promise<Lock> {
  const { ttl = TTL, owner, limit, value, waitMs, signal, marginMs } = options
  const attemptMs = waitMs + GRACE_MS
  const at = path`/v1/locks/${name}`
  const answer = await session.call('POST', at, {
    json: { owner, ttl, wait: duration(waitMs), limit, value },
    attemptMs,
    timeoutMs: attemptMs + GRACE_MS,
    signal,
  })
  const { token, ttlMs } = answer.json<{ readonly token: number; readonly ttlMs: number }>()
  const keeper = new Keeper(session, {
    what: `the lock "${name}"`,
    ttlMs,
    sentMs: answer.firstSentMs,
    marginMs,
    renew: (call) => session.call('POST', `${at}/renew`, { ...call, json: { token } }),
    end: () => session.call('DELETE', at, { query: { token } }),
  })
  await keeper.start(signal)
  const setValue = async (shown: string): Promise<void> => {
    const json = { token, value: shown }
    await session.call('POST', `${at}/renew`, { json, signal: keeper.signal })
  }
  return Object.assign(keeper, { name, token, owner, setValue })
}
