import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { present } from '../../lib/assert.ts'

/** A line without an end is cut here: memory for a child's output has a bound. */
const LINE_CHARS_MAX = 65_536

export interface DevNodeOptions {
  readonly id: string
  readonly url: string
  readonly dataDir: string
  /** Program and arguments. */
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly onLine: (line: string) => void
}

/** How a child ended, in words: `exit code 3`, `killed by SIGKILL`. */
export type Death = string

/** One `rollcall serve` that `dev` started. */
export class DevNode {
  readonly id: string
  readonly url: string
  readonly dataDir: string
  /** Resolves when it ended, whatever the reason. */
  readonly ended: Promise<Death>
  readonly #child: ChildProcess
  #death: Death | null = null

  constructor(options: DevNodeOptions) {
    this.id = options.id
    this.url = options.url
    this.dataDir = options.dataDir
    const [program, ...args] = options.command
    // Its standard input is a pipe that nobody writes to: when it closes, `dev` is gone, even
    // by a kill -9, and the child ends too.
    this.#child = spawn(present(program, 'a command has a program'), args, {
      env: options.env,
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    this.#child.stdin?.on('error', () => {}) // It ended first: `exit` tells.
    if (this.#child.stderr !== null) readLines(this.#child.stderr, options.onLine)
    this.ended = new Promise((resolve) => {
      const end = (death: Death) => {
        this.#death ??= death
        resolve(this.#death)
      }
      this.#child.on('error', (error) => end(error.message))
      // `close` rather than `exit`: its last lines, which say why, have been read by then.
      this.#child.on('close', (code, signal) => {
        end(signal === null ? `exit code ${code}` : `killed by ${signal}`)
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get alive(): boolean {
    return this.#death === null
  }

  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    if (this.alive) this.#child.kill(name)
  }
}

/** The environment of a child: ours, without the variables that would configure it too. */
export function childEnv(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !entry[0].startsWith('ROLLCALL_'),
    ),
  )
}

function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string | Uint8Array) => {
    const lines = `${rest}${String(chunk)}`.split('\n')
    rest = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX)
    for (const line of lines) onLine(line.slice(0, LINE_CHARS_MAX))
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}
