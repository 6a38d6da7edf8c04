/**
 * What a key's next event is linked to, kept in memory for keys that are written often: else every
 * write of such a key would read two of its older events, a third of what applying it costs.
 *
 * A key's _spine_ is its newest event, the one that this jumps to, the one which that jumps to, and
 * so on: all that links of later events are ever made of. The next event either jumps to the newest,
 * or to where the second of the spine jumps to; what lies behind is shared by the old spine and the
 * new, so that a write adds one spot and moves none.
 *
 * ```
 *   depth 5  →  4  →  3  →  (before the first)            the spine of depth 5
 *   depth 6  ──────→  3  →  (before the first)            that of depth 6: 5 and 4 fell off
 *   depth 7  →  (before the first)
 * ```
 * Derived and local: links are part of the state, so they must be those that a node finds which
 * has just been started. Invariants that make them so:
 *
 * 1. A spine counts only where the key's row names its first spot: after an attempt was taken back the
 *    row is that of before, and the place of an event that was taken back stays empty for ever.
 * 2. Where an event of a key is removed, the key's spine is dropped: an event that is gone leads
 *    nowhere, whatever was known of it.
 * 3. A database that takes the place of another has spines of its own.
 *
 * Bound: a spine has no more spots than its depth has digits in skew binary, some 20 at a million
 * writes of one key, and 2 × {@link KEYS} of them are kept.
 *
 * @module
 */
import { assert } from '../../lib/assert.ts'
import { HotCache } from '../../lib/hot-cache.ts'
import type { EventPlace } from '../reader.ts'
import type { ConfigLinks } from './event.ts'

/** An event on a spine. */
export interface Spot extends EventPlace {
  /** As of its links; {@link UNREAD} while only its place is known. */
  depth: number
  /** Null while it is unread, too. */
  jump: Spot | null
}

/** Links whose jump leads on: that of a key's next event. */
export interface SpineLinks extends ConfigLinks {
  readonly jump: Spot | null
}

/** Depths count from 1. */
const UNREAD = 0

/** That many keys that were written last have a spine for certain, but for those that collide. */
const KEYS = 8_192
/** Events of one revision that get numbers of their own, as long as revisions are below 2^45. */
const PLACES = 256

export class Spines {
  readonly #links: (place: EventPlace) => ConfigLinks | null | undefined
  /** By the place of the newest event, which says which key it is of. */
  readonly #heads = new HotCache<Spot, number>({ weightMax: 2 * KEYS })

  /** `links` answers those of an event; null: it is older than links are; undefined: it is gone. */
  constructor(links: (place: EventPlace) => ConfigLinks | null | undefined) {
    this.#links = links
  }

  /** A key's newest event, which stands at `place`; null: it is older than links are. */
  head(place: EventPlace): Spot | null {
    const known = this.#heads.get(numberOf(place))
    if (known !== undefined && known.revision === place.revision && known.n === place.n) {
      return known
    }
    const links = this.#links(place)
    assert(links !== undefined, 'a key points to its newest event')
    return links === null ? null : spotOf(place, links)
  }

  /** Where the event that `spot` jumps to jumps to. */
  secondJump(spot: Spot): Spot | null {
    const first = spot.jump
    if (first === null) return null
    if (first.depth === UNREAD) {
      const links = this.#links(first)
      // Where that one was trimmed, all before it is gone, too.
      if (links === undefined || links === null) return null
      Object.assign(first, spotOf(first, links))
    }
    assert(first.depth < spot.depth, 'a jump leads back')
    return first.jump
  }

  /** A key's newest event is now that at `place`, and has these links. */
  written({ revision, n }: EventPlace, { depth, prev, jump }: SpineLinks): void {
    assert(depth > UNREAD, 'depths count from 1')
    if (prev !== null) this.#heads.delete(numberOf(prev))
    const head = { revision, n, depth, jump }
    this.#heads.set(numberOf(head), head, 1)
  }

  /** Events of the key are being removed whose newest stands there. */
  forget(newest: EventPlace): void {
    this.#heads.delete(numberOf(newest))
  }
}

function spotOf({ revision, n }: EventPlace, { depth, jump }: ConfigLinks): Spot {
  return { revision, n, depth, jump: jump === null ? null : { ...jump, depth: UNREAD, jump: null } }
}

/** Two places may have one number: whoever looks one up compares what it finds. */
function numberOf({ revision, n }: EventPlace): number {
  return revision * PLACES + (n % PLACES)
}
