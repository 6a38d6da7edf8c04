import { readFileSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { sleep } from '../lib/timer.ts'
import type { Build } from '../version.ts'
import type { OpenRecovery } from './recover.ts'
import type { StartNode } from './serve.ts'
import type { Terminal } from './terminal.ts'

/** The outside world of a command. `main.ts` gives the real one, a test an object literal. */
export interface CommandContext {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly build: Build
  /** The command that starts this very program, such as `['bun', 'src/main.ts']`. */
  readonly self: readonly string[]
  readonly terminal: Terminal
  readonly startNode: StartNode
  readonly openRecovery: OpenRecovery
  readonly readFile: (path: string) => string
  readonly sleep: (ms: number) => Promise<void>
  /** Every SIGTERM, SIGINT and SIGHUP, by name. */
  onSignal(handle: (signal: string) => void): void
  /** What nobody caught: an exception in a callback, a rejected promise. */
  onUncaught(handle: (error: unknown) => void): void
  onStdinEnd(handle: () => void): void
  /** Puts a question to whoever sits at the terminal; null where nobody does. */
  readonly ask: ((question: string) => Promise<string>) | null
}

/** The context of this process. */
export function processContext(
  given: Pick<CommandContext, 'build' | 'startNode' | 'openRecovery' | 'terminal'>,
): CommandContext {
  return {
    ...given,
    argv: process.argv.slice(2),
    env: process.env,
    self: selfCommand(given.build.compiled),
    readFile: (path) => readFileSync(path, 'utf8'),
    sleep,
    onSignal(handle) {
      for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
        process.on(signal, () => handle(signal))
      }
    },
    onUncaught(handle) {
      process.on('uncaughtException', handle)
      process.on('unhandledRejection', handle)
    },
    onStdinEnd(handle) {
      process.stdin.on('end', handle).on('error', handle).on('close', handle).resume()
    },
    ask: process.stdin.isTTY === true && given.terminal.errIsTerminal ? askOnTerminal : null,
  }
}

/** The end of the input answers with an empty line. */
function askOnTerminal(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  return new Promise((resolve) => {
    lines.once('close', () => resolve(''))
    lines.question(question, (answer) => {
      resolve(answer)
      lines.close()
    })
  })
}

/** A compiled program is its own command; from sources the runtime needs to be told the file. */
function selfCommand(compiled: boolean): readonly string[] {
  if (compiled) return [process.execPath]
  const deno = Object.hasOwn(process.versions, 'deno') ? ['run', '-A'] : []
  return [process.execPath, ...deno, process.argv[1] ?? '']
}
