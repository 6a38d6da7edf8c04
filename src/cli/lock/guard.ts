/**
 * The guard of `rollcall lock`: a process of its own that ends the command's group where its keeper
 * cannot, because it was killed or stands still. The lock would lapse then, and the command go on.
 *
 *     keeper                                guard
 *       │ {"group": 4711, "graceMs": 2500,    │
 *       │  "leftMs": 11750}                   │
 *       ├────────────────────────────────────►│
 *       │                                   ? │  every tenth of the time there is
 *       │◄────────────────────────────────────┤
 *       │ 9200                                │  milliseconds that the keeper vouches for
 *       ├────────────────────────────────────►│
 *       │ done                                │  the group has ended: nothing is left to guard
 *       ├────────────────────────────────────►│
 *
 * The guard counts what it was told from when it **asked**: however long the answer was on its way,
 * it never counts more than the keeper had. Two processes share no clock here. Only what the first
 * line says counts from its arrival, until the first answer is there.
 *
 * The end of its input without `done` is the end of its keeper: SIGTERM, then SIGKILL, at once.
 */
import { isObject } from '../../lib/objects.ts'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { groupLives, signalGroup } from './process-group.ts'

const POLL_MIN_MS = 50
const POLL_MAX_MS = 1_000
const POLLS = 10

interface Guarded {
  readonly group: number
  readonly graceMs: number
}

/** Runs until its keeper says that it is done, or the group is gone. Always answers 0. */
export async function guard(): Promise<number> {
  // A terminal's signals are the keeper's affair.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)
    process.on(signal, () => {})
  process.stdout.on('error', () => {}) // The keeper is gone: the end of the input says so too.
  const lines = createInterface({ input: process.stdin })
  const state: GuardState = { guarded: null, askedMs: 0, deadlineMs: Number.POSITIVE_INFINITY }
  const over = Promise.withResolvers<'done' | 'keeper gone' | 'late'>()
  lines.on('line', (line) => (line === 'done' ? over.resolve('done') : take(state, line)))
  lines.once('close', () => over.resolve('keeper gone'))
  const poll = setInterval(() => {
    if (performance.now() >= state.deadlineMs) over.resolve('late')
  }, POLL_MIN_MS / 2)
  const why = await over.promise
  clearInterval(poll)
  if (why !== 'done' && state.guarded !== null) await endGroup(state.guarded, state.deadlineMs)
  return 0
}

interface GuardState {
  guarded: Guarded | null
  /** When the question was asked whose answer is awaited. */
  askedMs: number
  deadlineMs: number
}

function take(state: GuardState, line: string): void {
  if (state.guarded === null) {
    const value: unknown = JSON.parse(line)
    if (!isObject(value)) return
    state.guarded = { group: Number(value['group']), graceMs: Number(value['graceMs']) }
    state.deadlineMs = performance.now() + Number(value['leftMs'])
    return question(state)
  }
  const leftMs = Number(line)
  if (!Number.isFinite(leftMs)) return
  state.deadlineMs = state.askedMs + leftMs
  const nextMs = Math.max(POLL_MIN_MS, Math.min(leftMs / POLLS, POLL_MAX_MS))
  setTimeout(() => question(state), nextMs).unref()
}

function question(state: GuardState): void {
  state.askedMs = performance.now()
  process.stdout.write('?\n')
}

/** SIGTERM, and SIGKILL at the end of the grace, or of the time that was vouched for. */
async function endGroup({ group, graceMs }: Guarded, deadlineMs: number): Promise<void> {
  const killMs = Math.min(performance.now() + graceMs, deadlineMs)
  if (performance.now() < killMs) signalGroup(group, 'SIGTERM')
  while (performance.now() < killMs) {
    if (!groupLives(group)) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MIN_MS / 2))
  }
  signalGroup(group, 'SIGKILL')
}
