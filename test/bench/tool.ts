/** Programs that make load: theirs is the output, ours the care that they end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { endingWith } from './ending.ts'

/** The Debian package of each program that the harness can use. It installs none of them. */
export const PACKAGES = {
  wrk: 'wrk',
  etcd: 'etcd-server',
  h2load: 'nghttp2-client',
} as const

export type Tool = keyof typeof PACKAGES

/** Something cannot be run here; what can be is not harmed. */
export class MissingTool extends Error {
  override readonly name = 'MissingTool'

  constructor(tool: Tool) {
    super(`${tool} is missing`)
  }
}

export function isThere(tool: Tool): boolean {
  return Bun.which(tool) !== null
}

/** Runs a program to its end and answers what it printed; anything but success is an error. */
export async function output(command: readonly string[]): Promise<string> {
  const child = Bun.spawn([...command], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  return endingWith(
    () => child.kill('SIGKILL'),
    async () => {
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ])
      const code = await child.exited
      if (code === 0) return out
      throw new Error(`${command[0]} ended with ${code ?? child.signalCode}: ${err || out}`)
    },
  )
}

/** A folder of its own for `body`. */
export async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-bench-'))
  return endingWith(
    () => rmSync(folder, { recursive: true, force: true }),
    () => body(folder),
  )
}
