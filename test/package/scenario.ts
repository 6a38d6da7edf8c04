/**
 * What a user of the SDK does, on every runtime alike: this very file is installed beside the
 * package, type-checked there, and run against the compiled program. Answers what it saw.
 */
import { createClient, path, RollcallError } from 'rollcall/client'

export async function scenario(endpoints: readonly string[]): Promise<Record<string, unknown>> {
  await using client = createClient({ endpoints })
  const unkeyed = { idempotencyKey: null }
  const instance = path`/v1/services/${'web'}/instances/${'web-1'}`
  const body = { address: '10.0.0.5', port: 8080, ttl: '1m' }
  const put = await client.request('PUT', instance, { json: body, ...unkeyed })
  const beat = await client.request('POST', `${instance}/heartbeat`, { repeatable: true })
  const found = await client.request('GET', path`/v1/services/${'web'}`, {
    query: { available: true },
  })
  const key = path`/v1/config/${'app/größe'.normalize('NFD').replaceAll(/[^\x20-\x7e]/g, '')}`
  await client.request('PUT', key, { body: 'hello', contentType: 'text/plain', ...unkeyed })
  const value = await client.request('GET', key)
  const missing = await client
    .request('GET', path`/v1/config/${'no such key'.replaceAll(' ', '-')}`)
    .catch((error: unknown) => (error instanceof RollcallError ? error.code : String(error)))
  const { instances } = found.json<{ readonly instances: readonly { readonly id: string }[] }>()
  await client.request('DELETE', instance, unkeyed)
  await client.request('DELETE', key, unkeyed)
  return {
    put: [200, 201].includes(put.status),
    beat: beat.json<{ readonly ttl: string }>().ttl,
    found: instances.map(({ id }) => id),
    value: value.text(),
    missing,
  }
}
