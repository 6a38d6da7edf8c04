/** How the commands of users reach a cluster: through the client, for the time that they have. */
import { isObject } from '../../lib/objects.ts'
import { createClient, RollcallError } from '../../client/mod.ts'
import type { Answer, CallOptions, Client } from '../../client/mod.ts'
import type { CommandContext } from '../context.ts'
import { CommandFailed } from '../errors.ts'
import type { Settings } from '../usage/settings.ts'

/** What a handler is given: one command line, read and judged. */
export interface Call {
  readonly context: CommandContext
  readonly settings: Settings
  readonly words: readonly string[]
  /** What stood behind `--`. */
  readonly rest: readonly string[]
}

export interface Api {
  readonly client: Client
  readonly endpoints: readonly string[]
  /** Fires when nothing listens at any endpoint from the start: nobody wants to wait for that. */
  readonly nothing: AbortSignal
  /** Asks within `--timeout`, unless told another time. Throws as {@link explained} says. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>
}

/** A client of `--endpoint`. Close it, or end: it holds nothing open by itself. */
export function openApi({ context, settings }: Pick<Call, 'context' | 'settings'>): Api {
  const endpoints = settings.need('endpoint')
  const namespace = settings.value('namespace')
  const token = context.env['ROLLCALL_TOKEN'] ?? ''
  const { fetch, nothing } = impatientFetch(endpoints)
  const client = createClient({
    endpoints,
    fetch,
    ...(namespace === null ? {} : { namespace }),
    ...(token === '' ? {} : { token }),
  })
  const timeoutMs = settings.value('timeout') ?? undefined
  return {
    client,
    endpoints,
    nothing,
    async call(method, path, options = {}) {
      const signals = [nothing, ...(options.signal === undefined ? [] : [options.signal])]
      const time = timeoutMs === undefined ? {} : { timeoutMs }
      try {
        return await client.request(method, path, {
          ...time,
          ...options,
          signal: AbortSignal.any(signals),
        })
      } catch (error) {
        throw explained(error, endpoints)
      }
    },
  }
}

/**
 * The client tries until its time is over, for a node may be about to come back. One that never
 * answered, at an address where nobody listens, is more probably a wrong address.
 */
function impatientFetch(endpoints: readonly string[]): {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>
  readonly nothing: AbortSignal
} {
  const silent = new Set(endpoints)
  const giveUp = new AbortController()
  let isAnswered = false
  return {
    nothing: giveUp.signal,
    fetch: async (url, init) => {
      try {
        const response = await fetch(url, init)
        isAnswered = true
        return response
      } catch (error) {
        if (init.signal?.aborted !== true) silent.delete(new URL(url).origin)
        if (!isAnswered && silent.size === 0) {
          giveUp.abort(new CommandFailed(nothingAnswers(endpoints)))
        }
        throw error
      }
    },
  }
}

function nothingAnswers(endpoints: readonly string[]): string {
  return (
    `nothing answers at ${endpoints.join(', ')}: ` +
    'start a node with rollcall serve, or name one with --endpoint'
  )
}

/** An error of the client in words for whoever typed the command; any other as it is. */
export function explained(error: unknown, endpoints: readonly string[]): unknown {
  if (!(error instanceof RollcallError)) return error
  return new CallRefused(error, endpoints)
}

/** A call that failed, with what the node said. */
export class CallRefused extends CommandFailed {
  readonly code: string
  readonly status: number
  readonly problem: Readonly<Record<string, unknown>>
  /** `unknown`: what was to be written may have been written. */
  readonly outcome: 'not_applied' | 'unknown' | null

  constructor(cause: RollcallError, endpoints: readonly string[]) {
    super(sentence(cause, endpoints), { cause })
    this.code = cause.code
    this.status = cause.status
    this.problem = cause.problem
    this.outcome = cause.outcome
  }
}

function sentence(error: RollcallError, endpoints: readonly string[]): string {
  const from = endpoints.join(', ')
  const what = error.code === 'unreachable' ? `${from}: ${error.detail}` : error.detail
  if (error.outcome !== 'unknown') return what
  return `${what}; whether it was applied is not known: look before you repeat it`
}

/** Whether `error` is the refusal of a node with one of these codes. */
export function isRefused(error: unknown, ...codes: readonly string[]): error is CallRefused {
  return error instanceof CallRefused && codes.includes(error.code)
}

/** An answer's JSON, known to be an object, and nothing else is believed of it. */
export function objectOf(answer: Answer): Readonly<Record<string, unknown>> {
  const value = answer.json<unknown>()
  if (isObject(value)) return value
  throw new CommandFailed('the answer is no JSON object: is that a node of rollcall?')
}

/** The objects of a list that an answer holds; none where there is no list. */
export function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}
