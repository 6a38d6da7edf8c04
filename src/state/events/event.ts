/**
 * The one append-only table that is history and change feed at once (DESIGN §4). A body holds
 * the thing as it was right after the change, so that a feed never has to look anything up; a
 * config value is stored here and nowhere else.
 */

/** Numbers as stored, names as API.md's "Watching" has them. A number is never used again. */
export const EVENT_KINDS = {
  'instance.registered': 1,
  'instance.updated': 2,
  'instance.expired': 3,
  'instance.deregistered': 4,
  'config.put': 5,
  'config.deleted': 6,
  'service.updated': 7,
  'service.deleted': 8,
  'config.staged': 9,
  'member.changed': 13,
  'lock.acquired': 10,
  'lock.released': 11,
  'lock.expired': 12,
  'lock.updated': 14,
} as const

export type EventKind = (typeof EVENT_KINDS)[keyof typeof EVENT_KINDS]

export interface EventBody {
  readonly ns: string
  /**
   * The finest topic: `services/{name}/{id}`, `services/{name}`, `config/{key}`, `locks/{name}`,
   * `members`; `stages/{key}` of what only callers that match a rule may see.
   */
  readonly topic: string
  readonly kind: EventKind
  readonly body: Uint8Array
  /** A config value; null for all else. */
  readonly value: Uint8Array | null
}

/** From this clusterVersion on a body holds all that a GET of the thing shows. */
export const WHOLE_EVENTS_SINCE = 3

/** Of what belongs to the cluster rather than to a namespace; no namespace has this name. */
export const NO_NAMESPACE = ''

/** Values beyond this are not told to watchers, who know from `size` that there is one. */
export const EVENT_VALUE_MAX = 65_536

/** An event as the change feed has it: from the batch that was applied, or read back. */
export interface StoredEvent {
  /** Of the entry that made it. */
  readonly revision: number
  /** Its place among the events of that revision, from 0 without a gap. */
  readonly n: number
  readonly ns: string
  readonly topic: string
  readonly kind: EventKind
  /** The leader's wall clock, for display only. */
  readonly atMs: number
  readonly body: Uint8Array
  /** Of a config value, in bytes; null where the event holds none. */
  readonly size: number | null
  /** Null also where values were not asked for, or it is above {@link EVENT_VALUE_MAX}. */
  readonly value: Uint8Array | null
}
