/**
 * What a user of the SDK does, on every runtime alike: this very file is installed beside the
 * package, type-checked there, and run against the compiled program. Answers what it saw.
 */
import { createClient, RollcallError } from 'rollcall/client'
import type { Client, Config, Discovery, StandardSchema } from 'rollcall/client'

interface Motd {
  readonly text: string
}

/** As a schema library makes them. */
const Motd: StandardSchema<Motd> = {
  '~standard': {
    version: 1,
    vendor: 'scenario',
    validate: (value) => {
      const text = (value as Partial<Motd> | null)?.text
      return typeof text === 'string' ? { value: { text } } : { issues: [{ message: 'no text' }] }
    },
  },
}

export async function scenario(endpoints: readonly string[]): Promise<Record<string, unknown>> {
  await using client = createClient({ endpoints })
  return {
    ...(await services(client)),
    ...(await configuration(client)),
    ...(await coordination(client)),
  }
}

async function services(client: Client): Promise<Record<string, unknown>> {
  const spec = { service: 'web', port: 8080, ttl: '1m' } as const
  const first = await client.register({ ...spec, id: 'web-1', address: '10.0.0.5' })
  await using web = await client.discover('web')
  const alone = web.pick()?.address
  const second = await client.register({ ...spec, id: 'web-2', address: '10.0.0.6' })
  await instances(web, 2)
  const both = web.instances.map(({ id }) => id).sort()
  await first.close()
  await instances(web, 1)
  const left = web.instances.map(({ id }) => id)
  await second.close()
  return { alone, both, left, freshness: web.freshness }
}

/** Until the copy has so many instances: nobody asks for it, it is told. */
function instances(web: Discovery, count: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = web.onChange(() => look())
    const look = (): void => {
      if (web.instances.length !== count) return
      stop()
      resolve()
    }
    look()
  })
}

async function configuration(client: Client): Promise<Record<string, unknown>> {
  await using motd = await client.config('app/motd.json', Motd)
  const absent = motd.value
  const heard = versions(motd, 3)
  const written = await motd.set({ text: 'hello' })
  const updated = await motd.update((value) => ({ text: `${value?.text} again` }))
  const late = await motd.set({ text: 'late' }, { ifVersion: 1 }).catch(codeOf)
  const { succeeded } = await client.txn({
    if: [{ config: 'app/motd.json', version: 2 }],
    then: [{ op: 'config.put', key: 'app/motd.json', value: '{"text":"done"}' }],
  })
  const missing = await client.request('GET', '/v1/config/no%2Fsuch%20key').catch(codeOf)
  return { absent, written, updated, late, succeeded, missing, heard: await heard }
}

/** The versions that listeners are told, up to `last`. */
function versions(config: Config<Motd>, last: number): Promise<readonly number[]> {
  const heard: number[] = []
  return new Promise((resolve) => {
    config.onChange(({ version }) => {
      heard.push(version)
      if (version === last) resolve(heard)
    })
  })
}

async function coordination(client: Client): Promise<Record<string, unknown>> {
  const lock = await client.lock('nightly', { ttl: '10s', owner: 'first' })
  const contender = await client.lock('nightly', { wait: '0s' }).catch(codeOf)
  const report = await client.config('app/report')
  const fenced = await report.set('done', { lock })
  const held = lock.isHeld && !lock.signal.aborted
  await lock.release()
  const tooLate = await report.set('late', { lock }).catch(codeOf)
  return { contender, fenced, held, tooLate }
}

function codeOf(error: unknown): string {
  return error instanceof RollcallError ? error.code : String(error)
}
