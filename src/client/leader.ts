/** Who leads, for those who follow: a lock's holder, from a copy that is kept current. */
import { isCode } from './error.ts'
import { Feed } from './feed.ts'
import type { Copy, Freshness } from './feed.ts'
import type { Holder } from './lock.ts'
import { path } from './path.ts'
import type { Session } from './session.ts'
import { asOf } from './transport.ts'
import type { CallOptions } from './transport.ts'

export interface LeaderView extends AsyncDisposable {
  /** Null while nobody holds it. */
  readonly leader: Holder | null
  readonly freshness: Freshness
  onChange(listener: (leader: Holder | null) => void): () => void
  close(): Promise<void>
}

/** Follows the leadership `name`. Throws where no node knows of it. */
export async function followLeader(
  session: Session,
  name: string,
  onTrouble?: (error: unknown) => void,
): Promise<LeaderView> {
  const read = (call: CallOptions, known: Copy<Holder | null> | null) =>
    readHolder(session, name, { ...call, known: known?.value ?? null })
  const source = { topic: `locks/${name}`, watch: {}, read, next: () => null }
  const feed = new Feed<Holder | null>(session, source, onTrouble)
  await feed.open()
  return {
    get leader() {
      return feed.copy?.value ?? null
    },
    get freshness() {
      return feed.freshness
    },
    onChange: (listener) => feed.listen(({ value }) => listener(value)),
    close: () => feed.close(),
    [Symbol.asyncDispose]: () => feed.close(),
  }
}

/** The very object that is `known` where it still says what is so: then nothing has changed. */
async function readHolder(
  session: Session,
  name: string,
  { known, ...call }: CallOptions & { readonly known: Holder | null },
): Promise<Copy<Holder | null>> {
  try {
    const answer = await session.call('GET', path`/v1/locks/${name}`, call)
    const { holders = [] } = answer.json<{ readonly holders?: readonly Holder[] }>()
    const [leader = null] = holders
    const isSame = leader?.token === known?.token && leader?.value === known?.value
    return { value: isSame ? known : leader, asOf: asOf(answer) }
  } catch (error) {
    if (isCode(error, 'not_found')) return { value: null, asOf: asOf(error) }
    throw error
  }
}
