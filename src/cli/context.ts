import { readFileSync } from 'node:fs'
import { Buffer } from 'node:buffer'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { sleep } from '../lib/timer.ts'
import type { Build } from '../version.ts'
import { CommandFailed } from './errors.ts'
import type { OpenRecovery } from './nodes/recover.ts'
import type { StartNode } from './nodes/serve.ts'
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
  /** All of standard input. Throws `CommandFailed` where it is longer than `bytesMax`. */
  readonly readStdin: (bytesMax: number) => Promise<Uint8Array>
  readonly stdinIsTerminal: boolean
  readonly sleep: (ms: number) => Promise<void>
  /** Every one of `signals`, by name; else every SIGTERM, SIGINT and SIGHUP. */
  onSignal(handle: (signal: string) => void, signals?: readonly NodeJS.Signals[]): void
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
    readStdin,
    stdinIsTerminal: process.stdin.isTTY === true,
    sleep,
    onSignal(handle, signals = ['SIGTERM', 'SIGINT', 'SIGHUP']) {
      for (const signal of signals) {
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

async function readStdin(bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) {
    size += chunk.length
    if (size > bytesMax) throw new CommandFailed(`standard input is longer than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
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
