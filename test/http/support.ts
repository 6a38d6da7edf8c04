import { createApp } from '../../src/http/mod.ts'
import type { AppOptions } from '../../src/http/mod.ts'
import type { KeyRules } from '../../src/state/mod.ts'
import { InlineChecks } from '../support/inline-checks.ts'
import { LocalRegistry } from '../support/local-registry.ts'

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

interface Init {
  readonly body?: string | Uint8Array | object
  readonly headers?: Readonly<Record<string, string>>
}

/** The API over a real state machine, without a server. */
export async function testApi(options: Partial<AppOptions> = {}, rules?: KeyRules) {
  const registry = await LocalRegistry.open({}, rules)
  const app = createApp({ registry, version: '1.2.3', checks: new InlineChecks(), ...options })

  /** `call('PUT /v1/…', { body })`: an object is sent as JSON. */
  async function call(line: string, { body, headers = {} }: Init = {}): Promise<Answer> {
    const [method = '', path = ''] = line.split(' ', 2)
    const isRaw = body === undefined || typeof body === 'string' || body instanceof Uint8Array
    const init = {
      method,
      headers,
      ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
    }
    const answer = await app.request(path, init as RequestInit)
    return { status: answer.status, headers: answer.headers, text: await answer.text() }
  }

  return { app, registry, call }
}

export function jsonOf({ text }: Answer): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>
}
