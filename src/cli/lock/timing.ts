import { formatDuration } from '../../lib/duration.ts'
import { UsageError } from '../errors.ts'
import type { Settings } from '../usage/settings.ts'

/** The times of one lock; see the drawing in `run.ts`. */
export interface Timing {
  readonly ttlMs: number
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number
  /** Between SIGKILL and the first moment at which the lock may be lost. */
  readonly marginMs: number
}

const TTL_MS = 15_000
/** Processes start and end in tens of milliseconds: nothing shorter can be kept up. */
const TTL_MIN_MS = 1_000
const GRACE_OF_TTL = 1 / 4
const MARGIN_OF_TTL = 1 / 20
/** For the timers of a busy machine, and for the kernel to end what it is told to end. */
const MARGIN_MIN_MS = 250

export function timingOf(settings: Settings): Timing {
  const ttlMs = settings.value('ttl') ?? TTL_MS
  if (ttlMs < TTL_MIN_MS) {
    throw new UsageError(
      `--ttl: ${formatDuration(ttlMs)} is less than 1s: a command cannot be ended`,
    )
  }
  const graceMs = settings.value('grace') ?? ttlMs * GRACE_OF_TTL
  // Renewals go out every third: with less than that left, one late answer would end the command.
  if (graceMs > ttlMs / 2) {
    const [grace, ttl] = [formatDuration(graceMs), formatDuration(ttlMs)]
    throw new UsageError(`--grace: ${grace} is more than half of --ttl, ${ttl}`)
  }
  return { ttlMs, graceMs, marginMs: Math.max(MARGIN_MIN_MS, ttlMs * MARGIN_OF_TTL) }
}
