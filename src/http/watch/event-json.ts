/**
 * Events as watchers see them (API.md "Watching"): a name, and the JSON of the thing with its
 * revision, as a GET would show it; of what is gone, as it last was. Whoever adds a kind of event
 * adds its line here.
 */
import { rfc3339 } from '../../lib/rfc3339.ts'
import { valueFields } from '../../lib/json-bytes.ts'
import { membersOf } from '../../replica/mod.ts'
import { EVENT_KINDS, EVENT_VALUE_MAX } from '../../state/mod.ts'
import { readConfigEvent, readInstanceEvent, readLockEvent } from '../../state/mod.ts'
import { readServiceEvent, stagedEvent } from '../../state/mod.ts'
import type { EventKind, StoredEvent } from '../../state/mod.ts'
import { ttlFields } from '../answer.ts'
import { instanceJson } from '../services/instance-json.ts'

type KindName = keyof typeof EVENT_KINDS
/** `values`: whether the watcher wants them. */
type ToJson = (event: StoredEvent, values: boolean) => object

const EVENT_JSON: Readonly<Record<KindName, ToJson>> = {
  'instance.registered': instance,
  'instance.updated': instance,
  'instance.expired': instance,
  'instance.deregistered': instance,
  'config.put': config,
  'config.deleted': config,
  'config.staged': staged,
  'service.updated': service,
  'service.deleted': service,
  'lock.acquired': lock,
  'lock.released': lock,
  'lock.expired': lock,
  'lock.updated': lock,
  'member.changed': members,
}

const NAMES = new Map<EventKind, KindName>(
  (Object.keys(EVENT_KINDS) as KindName[]).map((name) => [EVENT_KINDS[name], name]),
)

/** Null: a kind that this program does not know, of a database that a newer one has written. */
export function eventJson(
  event: StoredEvent,
  values: boolean,
): { readonly name: string; readonly data: object } | null {
  const name = NAMES.get(event.kind)
  return name === undefined ? null : { name, data: EVENT_JSON[name](event, values) }
}

function instance(event: StoredEvent): object {
  return instanceJson(readInstanceEvent(event))
}

/** As a list of keys shows it; a value that is too large to be told is left out, and said so. */
function config(event: StoredEvent, values: boolean): object {
  const { ns, key, version, revision, contentType, size, value, atMs, by, comment, lease } =
    readConfigEvent(event)
  const isTold = size !== null && size <= EVENT_VALUE_MAX
  return {
    ns,
    key,
    version,
    revision,
    contentType,
    ...(size === null ? {} : { size }),
    updatedAt: rfc3339(atMs),
    updatedBy: by,
    ...(comment === null ? {} : { comment }),
    ...(lease === null ? {} : { lease }),
    ...(values && isTold && value !== null ? valueFields(value) : {}),
    ...(values && size !== null && !isTold ? { valueOmitted: true } : {}),
  }
}

/** To those alone whom the stage is for, or was until now. */
function staged(
  { ns, topic, revision, atMs, size, value, body }: StoredEvent,
  values: boolean,
): object {
  const { stage, action, rule, contentType, baseVersion, by, comment } = stagedEvent(body)
  const isTold = size !== null && size <= EVENT_VALUE_MAX
  return {
    ns,
    key: topic.slice('stages/'.length),
    stage,
    action,
    ...(rule === null ? {} : { rule }),
    revision,
    baseVersion,
    contentType,
    ...(size === null ? {} : { size }),
    updatedAt: rfc3339(atMs),
    updatedBy: by,
    ...(comment === null ? {} : { comment }),
    ...(values && isTold && value !== null ? valueFields(value) : {}),
    ...(values && size !== null && !isTold ? { valueOmitted: true } : {}),
  }
}

function service(event: StoredEvent): object {
  const { settings, createdAtMs, ...row } = readServiceEvent(event)
  return {
    ns: row.ns,
    service: row.service,
    metadata: settings.metadata,
    protectThreshold: settings.protectThreshold,
    revision: row.revision,
    createdRevision: row.createdRevision,
    ...(createdAtMs === null ? {} : { createdAt: rfc3339(createdAtMs) }),
    updatedAt: rfc3339(row.updatedAtMs),
  }
}

function lock(event: StoredEvent): object {
  const { ns, name, owner, token, value, ttlMs, lease, revision, atMs } = readLockEvent(event)
  return {
    ns,
    name,
    owner,
    token,
    ...(value === null ? {} : { value }),
    ...ttlFields(ttlMs),
    ...(lease === null ? {} : { lease }),
    revision,
    updatedAt: rfc3339(atMs),
  }
}

function members({ revision, atMs, body }: StoredEvent): object {
  return { revision, ...membersOf(body), updatedAt: rfc3339(atMs) }
}
