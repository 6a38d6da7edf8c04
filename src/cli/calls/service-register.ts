/** `rollcall service register`: an instance that is there for as long as this process is. */
import { formatDuration } from '../../lib/duration.ts'
import { messageOf } from '../../lib/text.ts'
import { isObject } from '../../lib/objects.ts'
import { path } from '../../client/mod.ts'
import type { RegisterOptions, Registration } from '../../client/mod.ts'
import { CommandFailed, UsageError } from '../errors.ts'
import { explained, objectOf, openApi } from './api.ts'
import type { Api, Call } from './api.ts'
import { readBytes } from './input.ts'
import { instanceText } from './service.ts'
import { show } from './show.ts'

export async function serviceRegister(call: Call): Promise<number> {
  const { settings, words } = call
  const [service = '', id = ''] = words
  const body = await bodyOf(call)
  const ttlMs = settings.value('ttl')
  const api = openApi(call)
  if (settings.value('once') === true) {
    const ttl = ttlMs === null ? {} : { ttl: formatDuration(ttlMs) }
    const answer = objectOf(
      await api.call('PUT', path`/v1/services/${service}/instances/${id}`, {
        json: { ...body, ...ttl },
      }),
    )
    await show(call, answer, () => instanceText(call, answer))
    return 0
  }
  return keep(call, api, {
    // A time to live of the file counts where no flag says otherwise.
    ...(body as Pick<RegisterOptions, 'address'>), // The node judges the rest, and says what is wrong.
    service,
    id,
    ...(ttlMs === null ? {} : { ttl: `${ttlMs}ms` as const }),
  })
}

/** The instance as the API takes it: the file, and over it the flags. */
async function bodyOf(call: Call): Promise<Readonly<Record<string, unknown>>> {
  const { settings } = call
  const tags = settings.value('tag')
  const metadata = settings.value('metadata')
  const flags: Readonly<Record<string, unknown>> = {
    address: settings.value('address'),
    port: settings.value('port'),
    status: settings.value('status'),
    weight: settings.value('weight'),
    zone: settings.value('zone'),
    node: settings.value('node'),
    removeAfter: settings.value('remove-after'),
    tags,
    metadata: metadata === null ? null : Object.fromEntries(metadata),
  }
  const given = Object.entries(flags).filter(([, value]) => value !== null)
  const body = { ...(await fileOf(call)), ...Object.fromEntries(given) }
  if (body.address === undefined) {
    throw new UsageError('service register needs --address: where is the instance reached?')
  }
  return body
}

async function fileOf(call: Call): Promise<Record<string, unknown>> {
  const file = call.settings.value('file')
  if (file === null) return {}
  const text = new TextDecoder().decode(await readBytes(call, file))
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return { ...value }
  } catch (error) {
    throw new CommandFailed(`${file} is not JSON: ${messageOf(error)}`)
  }
  throw new CommandFailed(`${file} must hold one JSON object: an instance`)
}

/** Beats until a signal, and deregisters then. */
async function keep(call: Call, api: Api, options: RegisterOptions): Promise<number> {
  const { context } = call
  const { err } = context.terminal
  const stopped = new Promise<string>((resolve) => context.onSignal(resolve))
  const registration = await registered(api, {
    ...options,
    onTrouble: (error) => err(`rollcall: a heartbeat failed: ${messageOf(error)}\n`),
    onRestored: () => err('rollcall: it had expired, and is registered again\n'),
  })
  const { service, id, instance } = registration
  await show(call, instance, () => instanceText(call, { ...instance }))
  err(`rollcall: keeping ${id} of ${service} alive; Ctrl-C takes it away\n`)
  await stopped
  await end(api, registration)
  err(`rollcall: ${id} of ${service} is gone\n`)
  return 0
}

async function registered(api: Api, options: RegisterOptions): Promise<Registration> {
  try {
    // A wrong address would be tried for as long as the client has patience.
    const nothing = new Promise<never>((_, reject) => {
      api.nothing.addEventListener('abort', () => reject(api.nothing.reason))
    })
    return await Promise.race([api.client.register(options), nothing])
  } catch (error) {
    throw explained(error, api.endpoints)
  }
}

async function end(api: Api, registration: Registration): Promise<void> {
  try {
    await registration.close()
  } catch (error) {
    const { id } = registration
    throw new CommandFailed(
      `${id} could not be deregistered, its time to live does that: ` +
        messageOf(explained(error, api.endpoints)),
    )
  }
}
