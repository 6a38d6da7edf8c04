/**
 * An instance that is registered for as long as this object is open: it beats three times in its
 * time to live, registers again when it was expired, and deregisters in the end.
 */
import { duration, millis } from './duration.ts'
import type { Duration } from './duration.ts'
import { isCode, quietly, RollcallError, tell } from './error.ts'
import type { Instance, InstanceSpec } from './instance.ts'
import { path } from './path.ts'
import { backoff, pause, randomId } from './ports.ts'
import type { Session } from './session.ts'
import type { CallOptions } from './transport.ts'

export interface RegisterOptions extends InstanceSpec {
  readonly service: string
  /** Random by itself; one that a restart finds again leaves no second instance behind. */
  readonly id?: string
  /** Without a beat for this long the instance is expired; 15 s. */
  readonly ttl?: Duration
  /** A beat or a registration failed; the next is under way. */
  readonly onTrouble?: (error: unknown) => void
  /** It had been expired, and is registered again. */
  readonly onRestored?: (instance: Instance) => void
}

export interface Registration extends AsyncDisposable {
  readonly service: string
  readonly id: string
  /** As last answered by a node. */
  readonly instance: Instance
  /** Declares something else of it: `update({ status: 'draining' })`. What is left out stays. */
  update(changes: Partial<InstanceSpec>): Promise<Instance>
  /** Deregisters. Throws where that could not be told: then its time to live does it. */
  close(): Promise<void>
}

const TTL: Duration = '15s'
const BEATS_PER_TTL = 3
const ATTEMPT_MIN_MS = 500
const PAUSE_MIN_MS = 100

/** Resolves once registered; throws where that failed. */
export async function register(session: Session, options: RegisterOptions): Promise<Registration> {
  session.assertOpen()
  const registration = new Registered(session, options)
  await registration.start()
  return registration
}

class Registered implements Registration {
  readonly service: string
  readonly id: string
  readonly #session: Session
  readonly #path: string
  readonly #ttlMs: number
  readonly #onTrouble: RegisterOptions['onTrouble']
  readonly #onRestored: RegisterOptions['onRestored']
  readonly #closing = new AbortController()
  #declared: InstanceSpec
  #instance: Instance | null = null
  #leave = (): void => {}
  /** Registrations go one after the other: the last one declared is the last one sent. */
  #queue: Promise<unknown> = Promise.resolve()
  #beating: Promise<void> | null = null

  constructor(session: Session, options: RegisterOptions) {
    const { service, id = randomId(), ttl = TTL, onTrouble, onRestored, ...declared } = options
    this.service = service
    this.id = id
    this.#session = session
    this.#path = path`/v1/services/${service}/instances/${id}`
    this.#ttlMs = millis(ttl)
    this.#declared = declared
    this.#onTrouble = onTrouble
    this.#onRestored = onRestored
  }

  get instance(): Instance {
    return this.#instance as Instance // Nobody is given this object before it is registered.
  }

  async start(): Promise<void> {
    await this.#register()
    this.#leave = this.#session.join(this)
    this.#beating = this.#beat()
  }

  async update(changes: Partial<InstanceSpec>): Promise<Instance> {
    if (this.#closing.signal.aborted) {
      throw new RollcallError('closed', 'this registration is closed; nothing was sent')
    }
    this.#declared = { ...this.#declared, ...changes }
    return await this.#register()
  }

  async close(): Promise<void> {
    this.#leave()
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    // Not cut off: a registration under way might arrive after its end, and stay.
    await Promise.allSettled([this.#queue, this.#beating])
    await this.#session.call('DELETE', this.#path)
  }

  /** Like `close`, but silent where no node hears it. */
  [Symbol.asyncDispose](): Promise<void> {
    return quietly(this.close())
  }

  #register(options: CallOptions = {}): Promise<Instance> {
    const put = async (): Promise<Instance> => {
      const json = { ...this.#declared, ttl: duration(this.#ttlMs) }
      const answer = await this.#session.call('PUT', this.#path, { ...options, json })
      this.#instance = answer.json<Instance>()
      return this.#instance
    }
    const done = this.#queue.then(put, put)
    this.#queue = done.catch(() => {}) // Whoever asked is told; the next one goes on.
    return done
  }

  async #beat(): Promise<void> {
    const { ports } = this.#session
    const { signal } = this.#closing
    const everyMs = this.#ttlMs / BEATS_PER_TTL
    let nextPause = backoff(ports, PAUSE_MIN_MS, everyMs)
    let pauseMs = everyMs
    for (;;) {
      await pause(ports, pauseMs, signal)
      if (signal.aborted) return
      const startMs = ports.nowMs()
      try {
        await this.#renew({
          attemptMs: Math.max(ATTEMPT_MIN_MS, everyMs / 2),
          timeoutMs: Math.max(ATTEMPT_MIN_MS, everyMs),
        })
        nextPause = backoff(ports, PAUSE_MIN_MS, everyMs)
        pauseMs = Math.max(0, everyMs - (ports.nowMs() - startMs))
      } catch (error) {
        tell(this.#onTrouble, error)
        pauseMs = nextPause()
      }
    }
  }

  /** A beat; where it is not known any more, the registration again. */
  async #renew(options: CallOptions): Promise<void> {
    try {
      await this.#session.call('POST', `${this.#path}/heartbeat`, { ...options, repeatable: true })
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
      if (this.#closing.signal.aborted) return
      const instance = await this.#register(options)
      tell(this.#onRestored, instance)
    }
  }
}
