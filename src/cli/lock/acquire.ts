/** Waiting for a lock, with what somebody at a terminal wants to know meanwhile. */
import { hostname, userInfo } from 'node:os'
import { RollcallError } from '../../client/mod.ts'
import type { Duration, Lock } from '../../client/mod.ts'
import { explained, isRefused, listOf } from '../calls/api.ts'
import type { Api, Call } from '../calls/api.ts'
import { CommandFailed } from '../errors.ts'
import { formatDuration } from '../../lib/duration.ts'
import { shown } from '../text.ts'
import type { Timing } from './timing.ts'

/** Without `--wait`: longer than anything runs here. */
const WAIT_FOREVER_MS = 10 * 365 * 24 * 3_600_000
/** Whoever waits longer is told so. */
const QUIET_MS = 1_000

/** Queues until it is granted. Throws `CommandFailed`, or the reason of `stop`. */
export async function acquireLock(
  api: Api,
  { context, settings, words: [name = ''] }: Call,
  { timing, stop }: { readonly timing: Timing; readonly stop: AbortSignal },
): Promise<Lock> {
  const { terminal } = context
  const waitMs = settings.value('wait')
  const value = settings.value('lock-value')
  const options = {
    ttl: milliseconds(timing.ttlMs),
    wait: milliseconds(waitMs ?? WAIT_FOREVER_MS),
    owner: settings.value('owner') ?? whoWeAre(),
    ...(value === null ? {} : { value }),
    // The lock's signal fires early enough for SIGTERM, and the grace, and the margin.
    marginMs: timing.graceMs + timing.marginMs,
    signal: AbortSignal.any([stop, api.nothing]),
  }
  const limit = settings.value('limit')
  const news = setTimeout(() => {
    if (terminal.errIsTerminal) terminal.err(`rollcall: waiting for the lock ${name}\n`)
  }, QUIET_MS)
  try {
    return limit === null
      ? await api.client.lock(name, options)
      : await api.client.semaphore(name, { ...options, limit })
  } catch (error) {
    const failure = explained(error, api.endpoints)
    throw isRefused(failure, 'conflict') ? notGranted(name, failure.problem, waitMs) : failure
  } finally {
    clearTimeout(news)
  }
}

function milliseconds(ms: number): Duration {
  return `${Math.floor(ms)}ms`
}

function notGranted(
  name: string,
  problem: Readonly<Record<string, unknown>>,
  waitMs: number | null,
): CommandFailed {
  const holders = listOf(problem['holders']).map((holder) => shown(holder['owner']))
  if (holders.length === 0) return new CommandFailed(shown(problem['detail'] ?? `${name} is taken`))
  const waited = waitMs === null || waitMs === 0 ? '' : `, after ${formatDuration(waitMs)}`
  return new CommandFailed(
    `the lock ${name} was not granted${waited}: ${holders.join(', ')} holds it; nothing was run`,
  )
}

/** `user@host`: a label for whoever looks who holds it. */
function whoWeAre(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    return hostname() // A user without a name, as in some containers.
  }
}

/** Whether the lock is lost because a node says so, not because time ran out unanswered. */
export function isTakenAway(reason: unknown): boolean {
  return reason instanceof RollcallError && reason.code === 'lost' && reason.cause !== undefined
}
