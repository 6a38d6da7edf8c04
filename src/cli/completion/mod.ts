/**
 * Completion for shells: a short script for each, which asks this very program what may stand next.
 * So what is offered is always what the program takes.
 */
import { openApi } from '../calls/api.ts'
import type { Call } from '../calls/api.ts'
import { namesOf } from '../calls/near.ts'
import type { Listed } from '../calls/near.ts'
import { UsageError } from '../errors.ts'
import { candidates } from './candidates.ts'
import { SCRIPTS } from './scripts.ts'

/** A shell waits for us with every key that is pressed. */
const NAMES_MS_MAX = 500

export async function completion({ context, words: [shell = ''] }: Call): Promise<number> {
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
  if (script === undefined) throw new UsageError(`there is no completion for ${shell}`)
  await context.terminal.out(script)
  return 0
}

/** `rollcall __complete -- WORD …`: the last word is the one under way, and may be empty. */
export async function complete(call: Call): Promise<number> {
  const lines = await candidates(call.rest, (kind, prefix) => namesNow(call, kind, prefix))
  await call.context.terminal.out(lines.map((line) => `${line}\n`).join(''))
  return 0
}

async function namesNow(call: Call, kind: Listed, prefix: string): Promise<readonly string[]> {
  try {
    return await namesOf(openApi(call), kind, { prefix, timeoutMs: NAMES_MS_MAX })
  } catch {
    return [] // No node answers: a shell has no place for that news.
  }
}
