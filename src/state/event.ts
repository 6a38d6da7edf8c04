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
} as const

export type EventKind = (typeof EVENT_KINDS)[keyof typeof EVENT_KINDS]

export interface EventBody {
  readonly ns: string
  /**
   * The finest topic: `services/{name}/{id}`, `services/{name}`, `config/{key}`; `stages/{key}` of
   * what only callers that match a rule may see.
   */
  readonly topic: string
  readonly kind: EventKind
  readonly body: Uint8Array
  /** A config value; null for all else. */
  readonly value: Uint8Array | null
}
