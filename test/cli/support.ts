import { join } from 'node:path'
import process from 'node:process'

const ROOT = join(import.meta.dirname, '../..')

/** The real program, and one whose node only listens. */
export const PROGRAM = join(ROOT, 'src/main.ts')
export const FAKE = join(import.meta.dirname, 'fake-program.ts')

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Our environment without what would configure rollcall or colour its words. */
export function cleanEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !entry[0].startsWith('ROLLCALL_') && entry[0] !== 'FORCE_COLOR',
  )
  return { ...Object.fromEntries(inherited), ...more }
}

/** Starts rollcall from its sources. Whoever starts it ends it. */
export function start(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly program?: string } = {},
) {
  return Bun.spawn([process.execPath, options.program ?? PROGRAM, ...args], {
    env: cleanEnv(options.env),
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 60_000, // A bound: none of them is meant to run so long.
    killSignal: 'SIGKILL',
  })
}

/** Runs it to its end. */
export async function run(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly program?: string } = {},
): Promise<Ran> {
  const child = start(args, options)
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited])
  return { code: child.exitCode, out, err }
}

/** Reads `stream` until `pattern` matches what came so far, and leaves the rest to be read on. */
export function reader(stream: ReadableStream<Uint8Array>) {
  const source = stream.getReader()
  const decoder = new TextDecoder()
  let text = ''
  return {
    async until(pattern: RegExp): Promise<string> {
      while (!pattern.test(text)) {
        const { done, value } = await source.read()
        if (done) throw new Error(`ended before ${pattern}: ${text}`)
        text += decoder.decode(value, { stream: true })
      }
      return text
    },
    async rest(): Promise<string> {
      for (;;) {
        const { done, value } = await source.read()
        if (done) return text
        text += decoder.decode(value, { stream: true })
      }
    },
  }
}
