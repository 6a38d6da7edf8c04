/** A command in a process group of its own, so that all that it starts can be ended with it. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import process from 'node:process'
import { assert } from '../../lib/assert.ts'

/** How a command ended, as the exit code that a shell would show. */
export type ExitCode = number

/** What a shell answers where a command does not exist, and where it cannot be run. */
const NOT_FOUND = 127
const NOT_RUNNABLE = 126
const SIGNALLED = 128

export interface ProcessGroup {
  /** The id of the group and of its first process; null where the command could not be started. */
  readonly id: number | null
  /** Resolves once the first process has ended; others of its group may live on. */
  readonly ended: Promise<ExitCode>
}

/** Starts `command` with our own standard streams. */
export function startGroup(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): ProcessGroup & { readonly failed: () => string | null } {
  const [program = '', ...args] = command
  let failed: string | null = null
  // `detached` is setsid(): a session, and so a group, whose id is that of the process.
  const child = spawn(program, args, { detached: true, stdio: 'inherit', env })
  const ended = new Promise<ExitCode>((resolve) => {
    child.once('error', (error) => {
      failed = error.message
      resolve('code' in error && error.code === 'ENOENT' ? NOT_FOUND : NOT_RUNNABLE)
    })
    child.once('exit', (code, signal) => {
      resolve(code ?? SIGNALLED + (constants.signals[signal ?? 'SIGKILL'] ?? 0))
    })
  })
  return { id: child.pid ?? null, ended, failed: () => failed }
}

/** Sends `signal` to every process of the group; one that is gone already is as good. */
export function signalGroup(id: number, signal: NodeJS.Signals): void {
  assert(Number.isSafeInteger(id) && id > 1, 'a group is never ours, nor all processes')
  try {
    process.kill(-id, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Whether a process of the group can still run. One that is dead and not yet buried cannot. */
export function groupLives(id: number): boolean {
  assert(Number.isSafeInteger(id) && id > 1, 'a group is never ours, nor all processes')
  try {
    process.kill(-id, 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false
    throw error
  }
  return !isBuriedOnly(id)
}

/**
 * Whether /proc knows the group's processes as dead. Where the first process of a machine collects
 * no orphans, as in many containers, they stay as they are for ever.
 */
function isBuriedOnly(id: number): boolean {
  let pids: readonly string[]
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return false // No /proc here: the kernel's first answer stands.
  }
  return pids.length > 0 && !pids.some((pid) => isAlive(pid, id))
}

function isAlive(pid: string, group: number): boolean {
  try {
    // `pid (name) state parent group …`: the name may hold anything, a parenthesis too.
    const [state, , ofGroup] =
      readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return Number(ofGroup) === group && state !== 'Z' && state !== 'X'
  } catch {
    return false // It ended while we looked.
  }
}
