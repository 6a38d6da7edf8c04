/** What passes between a watch and whoever speaks to its reader. */
import type { StateReader, StoredEvent } from '../../state/mod.ts'

/**
 * What is watched. `services`, `services/{name}`, `config/{key}`, `locks/{name}`, `members`; with
 * `prefix` every topic that begins so. Topics of the cluster are in the namespace `''`.
 */
export interface WatchTopic {
  readonly ns: string
  readonly topic: string
  readonly prefix: boolean
}

/** An event on its way to watchers, shared by all of them. */
export interface FeedEvent extends StoredEvent {
  /** Its texts and bytes, by the slot of an encoder: whoever comes first makes them. */
  readonly frames: Frame[]
}

export interface Frame {
  /** Of an event that another one of its revision follows, and of the last one; null: not made. */
  inner: string | null
  last: string | null
  /** `last` in UTF-8: what most watchers are sent. */
  bytes: Uint8Array | null
}

/** One form of a stream. A fixed handful is shared by all watches, so that each encodes once. */
export interface WatchEncoder {
  /** Its place in {@link FeedEvent.frames}; no two have the same. */
  readonly slot: number
  /** Whether it wants config values. */
  readonly values: boolean
  /** `isLast`: of its revision, for this watch. Resumes begin there. */
  event(event: StoredEvent, isLast: boolean): string
  /** What was pending when the watch began has been sent: all up to `revision`. */
  sync(revision: number): string
  /** Nothing happened, and all up to `revision` has been sent. */
  progress(revision: number): string
  /** The end; the watch is resumed after `revision`. */
  cut(code: CutCode, revision: number): string
}

/**
 * Why a watch was ended: its reader does not keep up; what it needs is no longer kept; this node
 * stops; its state cannot be trusted. In each case it goes on elsewhere from where it was cut.
 */
export type CutCode = 'slow_reader' | 'revision_compacted' | 'node_stopping' | 'fenced'

/** The reader's end. Nothing is called within a call of the watch's. */
export interface WatchSink {
  /** Returns whether more is taken now; where not, it calls {@link Watch.resume} later. */
  write(bytes: Uint8Array): boolean
  /** The last words. */
  end(bytes: Uint8Array): void
}

/** One reader's hold on the hub. */
export interface Watch {
  /** The sink takes more. */
  resume(): void
  /** The reader is gone: nothing more is written. */
  close(): void
  /** Everything of its topics up to there was handed to the sink. */
  reached(): number
  /** Says why, and where to go on, and ends. Nothing after a first end. */
  cut(code: CutCode): void
}

export interface WatchRequest {
  readonly topics: readonly WatchTopic[]
  /** Events after this revision; the applied one for those from now on. */
  readonly since: number
  readonly encoder: WatchEncoder
  /** Further conditions of the caller's; null: every event of the topics. */
  readonly sees: ((event: StoredEvent) => boolean) | null
}

/** What the hub reads: the state of this node, whichever it is just now. */
export type FeedState = Pick<StateReader, 'revision' | 'oldestRevision'> & {
  eventsAfter(
    revision: number,
    page: { readonly limit: number; readonly values: boolean },
  ): readonly StoredEvent[]
}
