import { expect, test } from 'bun:test'
import { prng } from '../../src/lib/prng.ts'
import { RecentMap } from '../../src/lib/recent.ts'

test('what was used lately is there, and there is a bound', () => {
  const random = prng(1)
  const map = new RecentMap<number, string>(10)
  const truth = new Map<number, string>()
  let used: number[] = []
  for (let i = 0; i < 5_000; i++) {
    const key = random(40)
    const known = map.get(key)
    if (known !== undefined) expect(known).toBe(truth.get(key) as string)
    if (random(3) === 0) {
      map.delete(key)
      truth.delete(key)
      used = used.filter((other) => other !== key)
      expect(map.get(key)).toBe(undefined)
      continue
    }
    map.set(key, `${i}`)
    truth.set(key, `${i}`)
    used = [key, ...used.filter((other) => other !== key)].slice(0, 10)
    expect(map.count).toBeLessThanOrEqual(20)
  }
  for (const key of used) expect(map.get(key)).toBe(truth.get(key) as string)
})

test('a map without room is refused', () => {
  expect(() => new RecentMap(0)).toThrow('room')
})
