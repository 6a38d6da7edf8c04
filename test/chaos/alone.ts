/**
 * A mount namespace of our own, where the machine gives us one: what is mounted in it is seen by
 * nobody else and is gone with the last process in it, even when that was killed.
 */
import process from 'node:process'

const MARK = 'ROLLCALL_CHAOS_ALONE'
const UNSHARE = ['unshare', '--mount', '--propagation', 'private']

/** Whether we are in it, or cannot be: then mounts are undone by hand alone. */
export function isAlone(): boolean {
  if (process.env[MARK] !== undefined) return true
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return true
  if (Bun.which('unshare') === null) return true
  return Bun.spawnSync([...UNSHARE, 'true']).exitCode !== 0
}

/** The same command line again, in there. Answers its exit code. */
export async function rerunAlone(args: readonly string[]): Promise<number> {
  const command = [...UNSHARE, process.execPath, process.argv[1] ?? '', ...args]
  const child = Bun.spawn(command, {
    env: { ...process.env, [MARK]: '1' },
    stdio: ['inherit', 'inherit', 'inherit'],
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // A terminal sends Ctrl-C to the child as well: passing it on would be a second one.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
    })
  }
  return await child.exited
}
