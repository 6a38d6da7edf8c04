/**
 * `rollcall lock NAME -- CMD …`: CMD runs while the lock is held, and not a moment longer.
 *
 *     sent          no renewal is answered          SIGTERM       SIGKILL   lost
 *      │───────────────────────────────────────────────│─────────────│───────│
 *      0                                     ttl − margin − grace    │      ttl
 *                                                               ttl − margin
 *
 * The client's lock vouches for one time to live from the sending of the last renewal that was
 * answered, less what it is asked to keep back: here the margin and the grace. So its signal fires
 * early enough for SIGTERM to be tried, and SIGKILL comes before anybody else can be granted the
 * lock, with every node out of reach. `guard.ts` does the same for a keeper that was killed.
 */
import { messageOf } from '../../lib/text.ts'
import { constants } from 'node:os'
import type { Lock } from '../../client/mod.ts'
import { openApi } from '../calls/api.ts'
import type { Api, Call } from '../calls/api.ts'
import { CommandFailed } from '../errors.ts'
import { acquireLock, isTakenAway } from './acquire.ts'
import { startGuard } from './guarding.ts'
import type { Guarding } from './guarding.ts'
import { groupLives, signalGroup, startGroup } from './process-group.ts'
import type { ExitCode } from './process-group.ts'
import { timingOf } from './timing.ts'
import type { Timing } from './timing.ts'

/** What a keeper passes on to its command. */
const PASSED_ON = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const
/** These stand for the wish to end, also before the command was started. */
const ENDING: ReadonlySet<string> = new Set(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'])
/** The kernel ends a process within this; we look again meanwhile. */
const LOOK_MS = 10

/** A signal came while the lock was still waited for. */
class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly exitCode: number

  constructor(signal: NodeJS.Signals) {
    super(`${signal}: nothing was run`)
    this.exitCode = 128 + constants.signals[signal]
  }
}

export async function lockRun(call: Call): Promise<number> {
  const { context } = call
  const timing = timingOf(call.settings)
  const api = openApi(call)
  const stop = new AbortController()
  let group: number | null = null
  let isOver = false
  context.onSignal((name) => {
    const signal = name as NodeJS.Signals // Of the list below.
    if (group !== null) signalGroup(group, signal)
    else if (ENDING.has(name)) stop.abort(new Interrupted(signal))
  }, PASSED_ON)
  const guard = startGuard(context.self, context.env, () => {
    if (isOver) return // It may have been faster in ending the group.
    context.terminal.err(
      'rollcall: the guard has ended: kill -9 of this process would not end CMD\n',
    )
  })
  try {
    const lock = await acquireLock(api, call, { timing, stop: stop.signal })
    lock.signal.addEventListener('abort', () => (isOver = true))
    return await runUnder(call, { api, lock, timing, guard }, (id) => (group = id))
  } finally {
    guard.done()
  }
}

interface Keeping {
  readonly api: Api
  readonly lock: Lock
  readonly timing: Timing
  readonly guard: Guarding
}

/** Runs the command and gives the lock up once nothing of it is left. */
async function runUnder(
  call: Call,
  keeping: Keeping,
  onStarted: (group: number) => void,
): Promise<ExitCode> {
  const { lock, guard, timing } = keeping
  const { context, rest } = call
  const command = startGroup(rest, environmentOf(call, keeping))
  if (command.id !== null) {
    onStarted(command.id)
    guard.watch(command.id, timing.graceMs, () => killInMs(keeping))
  }
  const code = await Promise.race([command.ended, lostOf(lock)])
  if (command.id !== null) await endGroup(command.id, keeping)
  guard.done()
  const failed = command.failed()
  if (failed !== null) context.terminal.err(`rollcall: ${rest[0] ?? ''} cannot be run: ${failed}\n`)
  if (code === null) throw lostWhileRunning(lock)
  await release(call, keeping)
  return code
}

function lostWhileRunning({ name, signal }: Lock): CommandFailed {
  return new CommandFailed(
    isTakenAway(signal.reason)
      ? `the lock ${name} was lost: it has expired or was released; the command was ended at once`
      : `no renewal of the lock ${name} was answered in time: the command was ended before it was lost`,
  )
}

/** Resolves with null when the lock may be lost soon, or is lost. */
function lostOf({ signal }: Lock): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null)
    signal.addEventListener('abort', () => resolve(null), { once: true })
  })
}

/**
 * Ends what is left of the group: SIGTERM, then SIGKILL after the grace, or earlier where the lock
 * says so. The lock is renewed meanwhile, unless that is what fails. Resolves once nothing runs.
 */
async function endGroup(group: number, keeping: Keeping): Promise<void> {
  if (!groupLives(group)) return
  const graceEndsMs = performance.now() + keeping.timing.graceMs
  if (killInMs(keeping) > 0) signalGroup(group, 'SIGTERM')
  while (groupLives(group)) {
    if (killInMs(keeping) <= 0 || performance.now() >= graceEndsMs) signalGroup(group, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** Until SIGKILL, if no renewal is answered any more; a lock that was taken away has no time left. */
function killInMs({ lock, timing }: Keeping): number {
  if (isTakenAway(lock.signal.reason)) return 0
  return lock.remainingMs + timing.graceMs
}

function environmentOf({ context, words: [name] }: Call, { api, lock }: Keeping) {
  return {
    ...context.env,
    ROLLCALL_LOCK: name,
    ROLLCALL_LOCK_TOKEN: String(lock.token),
    ROLLCALL_ENDPOINT: api.endpoints.join(','),
  }
}

/** The command has ended and its code counts, whether or not the nodes can be told. */
async function release({ context }: Call, { lock }: Keeping): Promise<void> {
  try {
    await lock.release()
  } catch (error) {
    context.terminal.err(
      `rollcall: ${lock.name} could not be released, its time to live does that: ${messageOf(error)}\n`,
    )
  }
}
