/** The keeper's side of the guard: see `guard.ts`. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

export interface Guarding {
  /** Hands the group over. `leftMs` says for how long the keeper vouches, whenever it is asked. */
  watch(group: number, graceMs: number, leftMs: () => number): void
  /** The group has ended; the guard may go. */
  done(): void
}

/** Starts a guard. Where it ends before its time, `onLost` is told: the command goes on unguarded. */
export function startGuard(
  self: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  onLost: () => void,
): Guarding {
  const [program = '', ...args] = self
  // A session of its own: what a terminal sends to all of its group does not reach it.
  const child = spawn(program, [...args, '__guard'], {
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    env,
  })
  let isDone = false
  let leftMs: (() => number) | null = null
  const gone = () => {
    if (isDone) return
    isDone = true
    onLost()
  }
  child.once('error', gone)
  child.once('exit', gone)
  child.stdin.on('error', gone)
  createInterface({ input: child.stdout }).on('line', () => {
    if (!isDone && leftMs !== null) child.stdin.write(`${leftMs()}\n`)
  })
  return {
    watch(group, graceMs, left) {
      leftMs = left
      if (!isDone) child.stdin.write(`${JSON.stringify({ group, graceMs, leftMs: left() })}\n`)
    },
    done() {
      if (isDone) return
      isDone = true
      child.stdin.end('done\n')
    },
  }
}
