/** The compiled program as a process: started, signalled, listened to, and always ended. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { until, WAIT_MS, within } from './until.ts'

export const ROOT = join(import.meta.dirname, '../..')

/** Of one process; older lines are dropped. */
const LINES_MAX = 5_000

let built: string | null = null

/**
 * The executable under test: the one that `npm test` built, else `dist/rollcall`, which is built
 * here when it is missing or older than a source.
 */
export function binary(): string {
  built ??= process.env['ROLLCALL_TEST_BINARY'] ?? buildIfOld(join(ROOT, 'dist/rollcall'))
  return built
}

function buildIfOld(path: string): string {
  const madeMs = existsSync(path) ? statSync(path).mtimeMs : 0
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  const changedMs = Math.max(
    ...[...sources, join(ROOT, 'build.ts'), join(ROOT, 'package.json')].map(
      (file) => statSync(file).mtimeMs,
    ),
  )
  if (madeMs >= changedMs) return path
  const ran = Bun.spawnSync([process.execPath, 'build.ts'], { cwd: ROOT })
  if (ran.exitCode !== 0) throw new Error(`the build failed: ${ran.stderr.toString()}`)
  return path
}

/** Our environment without what would configure rollcall or colour its words. */
export function plainEnv(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !entry[0].startsWith('ROLLCALL_') && entry[0] !== 'FORCE_COLOR',
    ),
  )
}

export interface ProgramOptions {
  readonly env?: Record<string, string>
  readonly cwd?: string
  /**
   * Its standard input stays open as long as this process lives: with `--end-with-stdin` it ends
   * with us, even when the tests were killed.
   */
  readonly leashed?: boolean
}

/** One child process and what it said. */
export class Program {
  readonly name: string
  readonly out: string[] = []
  readonly err: string[] = []
  readonly #child: Bun.Subprocess<'ignore' | 'pipe', 'pipe', 'pipe'>
  readonly #said: Promise<unknown>

  constructor(name: string, command: readonly string[], options: ProgramOptions = {}) {
    this.name = name
    this.#child = Bun.spawn([...command], {
      env: options.env ?? plainEnv(),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      stdin: options.leashed === true ? 'pipe' : 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    })
    this.#said = Promise.all([
      readLines(this.#child.stdout, this.out),
      readLines(this.#child.stderr, this.err),
    ])
  }

  get pid(): number {
    return this.#child.pid
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  signal(name: NodeJS.Signals): void {
    if (this.isRunning) this.#child.kill(name)
  }

  /** Waits for its end. Answers the exit code, null where a signal ended it. */
  async ended(ms = WAIT_MS): Promise<number | null> {
    await within(`${this.name} ends`, this.#child.exited, ms)
    await within(`${this.name} closes its outputs`, this.#said)
    return this.#child.exitCode
  }

  /** As by a power switch; when this returns, the process is gone. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.ended()
  }

  /** Stands still until `resume`: when this returns, it runs no more. */
  async pause(): Promise<void> {
    this.signal('SIGSTOP')
    if (process.platform !== 'linux') return void (await Bun.sleep(100))
    await until(`${this.name} stands still`, () => isStopped(this.pid))
  }

  resume(): void {
    this.signal('SIGCONT')
  }

  /** Lines of both outputs that hold `text`. */
  saying(text: string): string[] {
    return [...this.out, ...this.err].filter((line) => line.includes(text))
  }

  /** Waits until it has said `text`. */
  async says(text: string): Promise<string> {
    return until(`${this.name} says "${text}"`, () => this.saying(text)[0] ?? null)
  }

  tail(lines = 25): string {
    const said = [...this.out.slice(-lines), ...this.err.slice(-lines)]
    return said.map((line) => `  ${this.name} | ${line}`).join('\n')
  }
}

/** Runs the executable to its end. */
export async function run(
  args: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string } = {},
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const program = new Program(`rollcall ${args[0]}`, [binary(), ...args], options)
  try {
    const code = await program.ended()
    return { code, out: program.out.join('\n'), err: program.err.join('\n') }
  } finally {
    program.signal('SIGKILL')
  }
}

/**
 * Every thread of it: one whose system call was under way goes on with that. The state letter stands
 * behind the name in parentheses.
 */
function isStopped(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).every((task) => {
    const stat = readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8')
    return stat.split(') ').at(-1)?.startsWith('T') === true
  })
}

async function readLines(stream: ReadableStream<Uint8Array>, into: string[]): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of stream) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n')
    rest = lines.pop() ?? ''
    into.push(...lines)
    if (into.length > LINES_MAX) into.splice(0, into.length - LINES_MAX)
  }
  if (rest !== '') into.push(rest)
}
