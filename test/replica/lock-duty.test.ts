/** DESIGN §8: while permits and waiters remain the leader at once proposes a further grant. */
import { expect, test } from 'bun:test'
import { LockDuty } from '../../src/replica/lock-duty.ts'
import type { LockKey } from '../../src/state/mod.ts'

const key = (name: string): LockKey => ({ ns: 'default', name })

test('what apply left over is proposed once, however often it was told', () => {
  const duty = new LockDuty()
  duty.noted([key('a'), key('b')])
  duty.noted([key('a')])

  expect(duty.take()).toEqual([{ type: 'lock_grant', locks: [key('a'), key('b')] }])
  expect(duty.take()).toEqual([])
})

test('a new leader begins with what the state says, and with nothing of its last term', () => {
  const duty = new LockDuty()
  duty.noted([key('old')])
  duty.stop()
  duty.start([key('left')])

  expect(duty.take()).toEqual([{ type: 'lock_grant', locks: [key('left')] }])
})

test('the same name in another namespace is another lock', () => {
  const duty = new LockDuty()
  duty.noted([key('a'), { ns: 'b', name: 'a' }])
  expect(duty.take()).toEqual([{ type: 'lock_grant', locks: [key('a'), { ns: 'b', name: 'a' }] }])
})

test('a command names a bounded number of locks', () => {
  const duty = new LockDuty()
  duty.noted(Array.from({ length: 1_001 }, (_, i) => key(`k${i}`)))
  const sizes = duty.take().map((command) => 'locks' in command && command.locks.length)
  expect(sizes).toEqual([500, 500, 1])
})
