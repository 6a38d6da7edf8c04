/** Questions to a running node, for the commands that ask one. */
import { present } from '../lib/assert.ts'
import { formatDuration } from '../lib/duration.ts'
import { isObject } from '../lib/objects.ts'
import type { CommandContext } from './context.ts'
import { CommandFailed } from './errors.ts'
import type { Settings } from './usage/settings.ts'
import { shown } from './text.ts'

const TIMEOUT_MS = 5_000

/** An answer of a node: known to be an object, and nothing else is believed of it. */
export type Answer = Readonly<Record<string, unknown>>

export interface Question {
  readonly method?: string
  /** Sent as JSON. */
  readonly body?: unknown
  readonly timeoutMs?: number
}

/** The one of `--endpoint` that is asked about itself and its cluster: the first. */
export function endpointOf(settings: Settings): string {
  return present(settings.need('endpoint')[0], '--endpoint names at least one')
}

/** Asks a node. Throws `CommandFailed` where it does not answer, or refuses. */
export async function ask(
  context: Pick<CommandContext, 'env'>,
  url: string,
  { method = 'GET', body, timeoutMs = TIMEOUT_MS }: Question = {},
): Promise<Answer> {
  const token = context.env['ROLLCALL_TOKEN'] ?? ''
  const response = await fetch(url, {
    method,
    headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error: unknown) => {
    throw new CommandFailed(unreachableText(url, error, timeoutMs))
  })
  const answer: unknown = await response.json().catch(() => null)
  if (!isObject(answer)) {
    throw new CommandFailed(`${url} answered ${response.status}, and not as rollcall would`)
  }
  if (!response.ok) {
    const why = shown(answer['detail'] ?? answer['title'] ?? '')
    throw new CommandFailed(`${url} answered ${response.status} ${why}`)
  }
  return answer
}

function unreachableText(url: string, error: unknown, timeoutMs: number): string {
  const { origin } = new URL(url)
  if (error instanceof Error && error.name === 'TimeoutError') {
    return `${origin} did not answer within ${formatDuration(timeoutMs)}`
  }
  return `nothing answers at ${origin}: start a node with rollcall serve, or name one with --endpoint`
}
