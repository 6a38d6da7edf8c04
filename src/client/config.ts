/**
 * One configuration key, typed and at hand.
 *
 * The copy in memory is kept by a {@link Feed} under its version rule, and each entry is parsed and
 * checked once, in order. A value that does not fit the schema never replaces one that does: the last
 * good one stays, and `problem` says what is wrong with the newest.
 */
import { isCode, RollcallError } from './error.ts'
import { ABSENT, nextEntry, readEntry, savedCopy, savedText } from './config-entry.ts'
import type { Entry } from './config-entry.ts'
import { byType } from './codec.ts'
import type { Codec } from './codec.ts'
import { Feed } from './feed.ts'
import type { Copy, Freshness } from './feed.ts'
import type { Lock } from './lock.ts'
import { path } from './path.ts'
import type { Session } from './session.ts'
import { issueOf } from './standard-schema.ts'
import type { StandardSchema } from './standard-schema.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { asOf } from './transport.ts'
import type { Answer, CallOptions, HeaderFields } from './transport.ts'
import { isFinal, labelText } from './watch.ts'

/**
 * What a read costs, and what a write of one's own leaves in the copy.
 * - `write-through`: reads are answered from memory, which holds what was written.
 * - `invalidate`: the same, but after a write of its own the next read asks the nodes.
 * - `verify`: every read asks the leader whether the copy is current (304), and is answered from the
 *   copy, marked, where no leader is to be had.
 */
export type CacheMode = 'write-through' | 'invalidate' | 'verify'

/** Where copies outlive the process: a file, a browser's storage. */
export interface Store {
  get(key: string): string | null | undefined | Promise<string | null | undefined>
  put(key: string, text: string): unknown
}

export interface ConfigOptions {
  readonly cache?: CacheMode
  readonly store?: Store
  readonly codec?: Codec
  /** Who asks: staged values are for callers of certain labels. */
  readonly labels?: Readonly<Record<string, string>>
  /** The nodes could not be asked, the store failed, a value does not fit: the last good one stays. */
  readonly onTrouble?: (error: unknown) => void
}

export interface ConfigChange<T> {
  /** Null: the key is gone. */
  readonly value: T | null
  readonly version: number
  readonly previous: T | null
}

export interface SetOptions {
  /** Only if this is the current version; 0: only if there is none. Else `version_mismatch`. */
  readonly ifVersion?: number
  readonly comment?: string
  /** Only while this lock is held (`Rollcall-Lock`); else `stale_token`. */
  readonly lock?: Pick<Lock, 'name' | 'token'>
}

export interface Config<T> extends AsyncDisposable {
  readonly key: string
  /** From memory, at once; null where there is no such key. */
  readonly value: T | null
  /** Of `value`; 0 where there is no such key. */
  readonly version: number
  readonly freshness: Freshness
  readonly verifiedAgoMs: number
  /** What is wrong with the newest value, while `value` is an older, good one. */
  readonly problem: RollcallError | null
  /** As the cache mode says. Throws where there is nothing to answer with. */
  get(): Promise<T | null>
  /** Writes a new version and answers its number. */
  set(value: T, options?: SetOptions): Promise<number>
  /** Reads, changes and writes until nobody wrote in between. */
  update(change: (value: T | null) => T | Promise<T>): Promise<number>
  delete(options?: Pick<SetOptions, 'ifVersion' | 'lock'>): Promise<void>
  /**
   * Called with each change in the order of the versions, never twice at once: while a listener's
   * promise is pending, later changes wait, and of those only the newest is kept.
   */
  onChange(listener: (change: ConfigChange<T>) => unknown): () => void
  close(): Promise<void>
}

/**
 * Resolves with a value at hand, or the knowledge that there is none: from the store at once, where
 * it has one, else from the leader, else from any node. Throws where none of them has an answer.
 */
export async function config<T>(
  session: Session,
  key: string,
  schema: StandardSchema<T> | null,
  options: ConfigOptions = {},
): Promise<Config<T>> {
  const entry = new Typed<T>(session, key, { schema, ...options })
  try {
    await entry.open()
  } catch (error) {
    await entry.close()
    throw error
  }
  return entry
}

interface Good<T> {
  readonly value: T | null
  readonly version: number
}

interface Parsed<T> {
  readonly value: T | null
  /** Null: it fits. */
  readonly issues: readonly { readonly path: string; readonly message: string }[] | null
}

type Listener<T> = (change: ConfigChange<T>) => void

class Typed<T> implements Config<T> {
  readonly key: string
  readonly #session: Session
  readonly #options: ConfigOptions & { readonly schema: StandardSchema<T> | null }
  readonly #cache: CacheMode
  readonly #codec: Codec
  readonly #feed: Feed<Entry>
  readonly #listeners = new Set<Listener<T>>()
  readonly #storeKey: string
  readonly #save: ((copy: Copy<Entry>) => void) | null
  #good: Good<T> | null = null
  #problem: RollcallError | null = null
  #isInvalid = false
  /** Entries are parsed one after the other, so the last to come is the last to count. */
  #checking: Promise<void> = Promise.resolve()

  constructor(
    session: Session,
    key: string,
    options: ConfigOptions & { readonly schema: StandardSchema<T> | null },
  ) {
    const { labels } = options
    this.key = key
    this.#session = session
    this.#options = options
    this.#cache = options.cache ?? 'write-through'
    this.#codec = options.codec ?? byType
    this.#storeKey = `config/${session.namespace}/${key}`
    const { store } = options
    const put = (copy: Copy<Entry>) => store?.put(this.#storeKey, savedText(copy))
    this.#save =
      store === undefined
        ? null
        : oneAtATime(
            put,
            (_, newest) => newest,
            (e) => this.#feed.trouble(e),
          )
    const headers = { 'Rollcall-Labels': labelText(labels) }
    this.#feed = new Feed<Entry>(
      session,
      {
        topic: `config/${key}`,
        watch: { values: labels === undefined, ...(labels === undefined ? {} : { labels }) },
        read: (call, known) => readEntry(session, key, { ...call, headers, known }),
        // With labels an event may be about a value that is not the one for this caller.
        next: (entry, batch) => (labels === undefined ? nextEntry(entry, batch) : null),
      },
      options.onTrouble,
    )
    this.#feed.listen((copy) => this.#changed(copy))
  }

  async open(): Promise<void> {
    const saved = this.#cache === 'verify' ? null : await this.#saved()
    if (saved !== null) this.#feed.accept(saved, 'cached')
    await this.#checking
    if (this.#good === null) {
      await this.#feed.refresh().catch((error: unknown) => this.#orSaved(error))
      await this.#checking
    }
    if (this.#good === null) throw this.#problem
    if (this.#cache !== 'verify') this.#feed.start()
  }

  get value(): T | null {
    return this.#good?.value ?? null
  }

  get version(): number {
    return this.#good?.version ?? 0
  }

  get freshness(): Freshness {
    return this.#feed.freshness
  }

  get verifiedAgoMs(): number {
    return this.#feed.verifiedAgoMs
  }

  get problem(): RollcallError | null {
    return this.#problem
  }

  async get(): Promise<T | null> {
    if (this.#cache === 'verify' || this.#isInvalid) {
      try {
        await this.#feed.refresh()
        this.#isInvalid = false
      } catch (error) {
        // What is here goes on, marked; but never for what this caller wrote, or may not see.
        if (this.#isInvalid || isFinal(error)) throw error
        this.#feed.trouble(error)
      }
    }
    await this.#checking
    return this.value
  }

  async set(value: T, options: SetOptions = {}): Promise<number> {
    const { contentType } = this.#codec
    const body = this.#codec.encode(value)
    const answer = await this.#write('PUT', {
      query: { comment: options.comment },
      headers: conditions(options),
      body,
      ...(contentType === undefined ? {} : { contentType }),
    })
    const { version, revision } = answer.json<{ version: number; revision: number }>()
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
    const entry = { version, etag: `"${version}"`, contentType: contentType ?? '', bytes }
    await this.#wrote(contentType === undefined ? null : entry, revision)
    return version
  }

  async update(change: (value: T | null) => T | Promise<T>): Promise<number> {
    for (;;) {
      await this.#feed.refresh()
      await this.#checking
      const known = this.#feed.copy?.value.version ?? 0
      if (this.#problem !== null && this.version !== known) throw this.#problem
      try {
        return await this.set(await change(this.value), { ifVersion: known })
      } catch (error) {
        if (!isCode(error, 'version_mismatch')) throw error
      }
    }
  }

  async delete(options: Pick<SetOptions, 'ifVersion' | 'lock'> = {}): Promise<void> {
    const answer = await this.#write('DELETE', { headers: conditions(options) })
    await this.#wrote(ABSENT, asOf(answer))
  }

  onChange(listener: (change: ConfigChange<T>) => unknown): () => void {
    const inOrder = oneAtATime(listener, joined<T>, (error) => this.#feed.trouble(error))
    this.#listeners.add(inOrder)
    this.#feed.start() // In the mode `verify` nobody listened to the nodes so far.
    return () => void this.#listeners.delete(inOrder)
  }

  async close(): Promise<void> {
    await this.#feed.close()
    await this.#checking
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #write(method: string, call: CallOptions): Promise<Answer> {
    try {
      return await this.#session.call(method, path`/v1/config/${this.key}`, call)
    } catch (error) {
      this.#isInvalid = true // It may have been applied: the next read asks.
      throw error
    }
  }

  /** `entry`: null where the node chose the type of what was written. */
  async #wrote(entry: Entry | null, revision: number): Promise<void> {
    if (entry === null || this.#isReadAgain) this.#isInvalid = true
    else this.#feed.accept({ value: entry, asOf: revision }, 'live')
    await this.#checking
  }

  /** After a write of its own: a caller with labels may be meant another value than the written. */
  get #isReadAgain(): boolean {
    return this.#cache === 'invalidate' || this.#options.labels !== undefined
  }

  #changed(copy: Copy<Entry>): void {
    this.#checking = this.#checking.then(() => this.#check(copy))
  }

  /** Parses and checks an entry, and makes it the value; never rejects. */
  async #check(copy: Copy<Entry>): Promise<void> {
    const { version } = copy.value
    const previous = this.#good
    const { value, issues } = await this.#parsed(copy.value)
    if (issues !== null) {
      const why = issues.map(({ path, message }) => `${path} ${message}`.trim()).join('; ')
      this.#problem = new RollcallError(
        'invalid_value',
        `"${this.key}" version ${version}: ${why}`,
        { problem: { issues } },
      )
      this.#feed.trouble(this.#problem)
      return
    }
    this.#good = { value, version }
    this.#problem = null
    const change = { ...this.#good, previous: previous?.value ?? null }
    for (const listener of this.#listeners) listener(change)
    this.#save?.(copy)
  }

  /** What does not even parse has an issue too. */
  async #parsed({ version, bytes, contentType }: Entry): Promise<Parsed<T>> {
    if (version === 0) return { value: null, issues: null }
    try {
      const raw = this.#codec.decode(bytes, contentType)
      const { schema } = this.#options
      const result = schema === null ? { value: raw as T } : await schema['~standard'].validate(raw)
      return result.issues === undefined
        ? { value: result.value, issues: null }
        : { value: null, issues: result.issues.map(issueOf) }
    } catch (error) {
      return { value: null, issues: [{ path: '', message: String(error) }] }
    }
  }

  async #saved(): Promise<Copy<Entry> | null> {
    try {
      const text = await this.#options.store?.get(this.#storeKey)
      return typeof text === 'string' ? savedCopy(text) : null
    } catch (error) {
      this.#feed.trouble(error)
      return null
    }
  }

  async #orSaved(error: unknown): Promise<void> {
    const saved = await this.#saved()
    if (saved === null) throw error
    this.#feed.trouble(error)
    this.#feed.accept(saved, 'cached')
  }
}

/** A listener that was busy has not seen the first of two: `previous` is what it has seen. */
function joined<T>(waiting: ConfigChange<T>, newest: ConfigChange<T>): ConfigChange<T> {
  return { ...newest, previous: waiting.previous }
}

function conditions({ ifVersion, lock }: SetOptions): HeaderFields {
  return {
    'If-None-Match': ifVersion === 0 ? '*' : null,
    'If-Match': ifVersion ? `"${ifVersion}"` : null,
    'Rollcall-Lock': lock === undefined ? null : `${lock.name}=${lock.token}`,
  }
}
