/**
 * Which instance takes the next request. A picker is given the instances when they change, and
 * answers the function that is called for every request: what can be worked out before, is.
 */
import { weightOf } from './instance.ts'
import type { Instance } from './instance.ts'

/** Null where there is none to pick. `key` is what sticky picking holds on to. */
export type Pick = (key?: string) => Instance | null
export type Picker = (instances: readonly Instance[]) => Pick

/** By chance, in proportion to the weights. */
export function weightedRandom(random: () => number = Math.random): Picker {
  return (instances) => {
    const some = weighted(instances)
    const sums = new Float64Array(some.length)
    let total = 0
    for (const [at, instance] of some.entries()) sums[at] = total += weightOf(instance)
    const areEqual = some.every((instance) => weightOf(instance) === weightOf(some[0]!))
    if (areEqual) return () => some[Math.floor(random() * some.length)] ?? null
    return () => some[firstAbove(sums, random() * total)] ?? null
  }
}

/** One after the other, each as often as every other; a weight of 0 alone is heeded. */
export function roundRobin(): Picker {
  let turn = -1 // Goes on when the instances change.
  return (instances) => {
    const some = weighted(instances)
    return () => {
      turn = turn + 1 < some.length ? turn + 1 : 0
      return some[turn] ?? null
    }
  }
}

/** Those of the zone while there are any, else all; among them as `inner` picks. */
export function zoneFirst(zone: string, inner: Picker = weightedRandom()): Picker {
  return (instances) => {
    const near = weighted(instances).filter((instance) => instance.zone === zone)
    return inner(near.length > 0 ? near : instances)
  }
}

/**
 * The same instance for the same key, as long as it is there (rendezvous hashing, weighted): when one
 * goes, only its keys move, and each of them to where every client moves it.
 */
export function sticky(): Picker {
  return (instances) => {
    const some = weighted(instances).map((instance) => ({
      instance,
      hash: hashOf(instance.id),
      weight: weightOf(instance),
    }))
    return (key = '') => {
      const keyHash = hashOf(key)
      let best: Instance | null = null
      let bestScore = -Infinity
      for (const { instance, hash, weight } of some) {
        // Of (0, 1): the largest of x^(1/w) falls on each in proportion to its weight w.
        const score = Math.log((mixed(keyHash ^ hash) + 0.5) / 2 ** 32) / weight
        if (score <= bestScore) continue
        best = instance
        bestScore = score
      }
      return best
    }
  }
}

function weighted(instances: readonly Instance[]): readonly Instance[] {
  return instances.filter((instance) => weightOf(instance) > 0)
}

/** The place of the first sum above `value`; sums grow. */
function firstAbove(sums: Float64Array, value: number): number {
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sums[middle]! > value) high = middle
    else low = middle + 1
  }
  return low
}

/** FNV-1a over UTF-16 units, then mixed: 32 bits, the same in every client. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return mixed(hash)
}

/** The finalizer of MurmurHash3: every bit of the input moves every bit of the output. */
function mixed(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
