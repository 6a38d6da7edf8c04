import { expect, test } from 'bun:test'
import { AppliedWaits } from '../../src/replica/applied-waits.ts'
import { Waits } from '../../src/replica/waits.ts'

const at = (topic: string, revision: number, ns = 'default') => ({ ns, topic, revision })
const exact = (topic: string) => ({ ns: 'default', topic, prefix: false })
const prefix = (topic: string) => ({ ns: 'default', topic, prefix: true })

test('add() wakes once, when the topic has a revision above since', () => {
  const waits = new Waits()
  let woken = 0
  waits.add(exact('services/web'), 5, () => (woken += 1))

  waits.wake([at('services/web', 5), at('services/other', 9), at('services/web', 9, 'blue')])
  expect(woken).toBe(0)
  waits.wake([at('services/web', 6)])
  waits.wake([at('services/web', 7)])

  expect(woken).toBe(1)
  expect(waits.size).toBe(0)
})

test('add() with a prefix is woken by every topic that begins so, and by no other', () => {
  const waits = new Waits()
  const woken: string[] = []
  waits.add(prefix('config/app/'), 1, () => woken.push('app/'))
  waits.add(prefix('config/'), 1, () => woken.push('all'))
  waits.add(prefix('config/b'), 1, () => woken.push('b'))

  waits.wake([at('config/ap', 2)])
  expect(woken).toEqual(['all'])
  waits.wake([at('config/app/x', 3)])

  expect(woken).toEqual(['all', 'app/'])
  expect(waits.size).toBe(1)
})

test('a waiter that was taken back is not woken, and may be taken back twice', () => {
  const waits = new Waits()
  let woken = 0
  const takeBack = waits.add(prefix('config/'), 1, () => (woken += 1))

  takeBack()
  takeBack()
  waits.wake([at('config/x', 2)])

  expect(woken).toBe(0)
  expect(waits.size).toBe(0)
})

test('reached() runs those whose index is applied, in its order', () => {
  const applied = new AppliedWaits()
  const ran: number[] = []
  for (const index of [7, 3, 5]) applied.add(index, () => ran.push(index))

  applied.reached(5)
  expect(ran).toEqual([3, 5])
  applied.reached(100)

  expect(ran).toEqual([3, 5, 7])
  expect(applied.size).toBe(0)
})

test('an applied wait that was taken back leaves no trace, also where its index never comes', () => {
  const applied = new AppliedWaits()
  let ran = 0
  for (let i = 0; i < 1_000; i++) applied.add(1e9 + i, () => (ran += 1))()

  expect(applied.size).toBe(0)
  applied.reached(2e9)
  expect(ran).toBe(0)
})
