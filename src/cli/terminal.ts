import { writeSync } from 'node:fs'
import process from 'node:process'
import { coloured, plain } from './text.ts'
import type { Paint } from './text.ts'

/** What a command says, and where. A test passes an object literal. */
export interface Terminal {
  /** Resolves when all of `text` was handed to the system: the process may end then. */
  out(text: string | Uint8Array): Promise<void>
  /** Never fails and never waits for a reader: a log must not stop a node. */
  err(text: string): void
  readonly outIsTerminal: boolean
  /** How wide standard output is; null where it is no terminal, or does not say. */
  readonly columns: number | null
  readonly errIsTerminal: boolean
  readonly outPaint: Paint
  readonly errPaint: Paint
}

/** The real one. Colours only on a terminal, and not where `NO_COLOR` is set. */
export function processTerminal(): Terminal {
  const outIsTerminal = process.stdout.isTTY === true
  const errIsTerminal = process.stderr.isTTY === true
  const colours = (process.env['NO_COLOR'] ?? '') === ''
  process.stdout.on('error', () => {}) // The reader went away, as `| head` does.
  return {
    out: (text) => new Promise((resolve) => process.stdout.write(text, () => resolve())),
    err: writeStderr,
    outIsTerminal,
    columns: outIsTerminal ? process.stdout.columns || null : null,
    errIsTerminal,
    outPaint: outIsTerminal && colours ? coloured : plain,
    errPaint: errIsTerminal && colours ? coloured : plain,
  }
}

/**
 * Written at once, so that nothing is lost when the process ends, and dropped where the reader is
 * gone or a full pipe would block: there is no queue that could grow.
 */
function writeStderr(text: string): void {
  try {
    writeSync(2, text)
  } catch {
    // EPIPE or EAGAIN: nobody reads. A node goes on without its log.
  }
}
