import { expect, test } from 'bun:test'
import { RaftLog } from '../../src/raft/log.ts'
import { Outbox } from '../../src/raft/outbox.ts'
import { RaftDisk } from '../support/raft-disk.ts'
import { entriesOf, entryOf, voteResponse } from '../support/raft-node.ts'

const HARD_STATE = { term: 1, votedFor: null, promiseMs: 0 }

function outboxOver(heldMax = 100) {
  const log = new RaftLog(new RaftDisk(HARD_STATE).stored(), 0, Number.MAX_SAFE_INTEGER)
  return { log, outbox: new Outbox(log, heldMax) }
}

/** Told apart by its term alone. */
const message = (term: number) => voteResponse({ from: 'a', to: 'b', term })
const termsSent = (outbox: Outbox) => outbox.takeMessages().map(({ term }) => term)

test('send() leaves at once while the hard state is durable', () => {
  const { outbox } = outboxOver()

  outbox.send(message(1))

  expect(termsSent(outbox)).toEqual([1])
  expect(termsSent(outbox)).toEqual([])
})

test('send() waits for the newest hard state, not for entries', () => {
  const { log, outbox } = outboxOver()
  outbox.markHardState()
  outbox.send(message(1))
  expect(outbox.takeWrite(HARD_STATE, 0)).toEqual({ write: 1, hardState: HARD_STATE, entries: [] })
  log.append(entryOf(1, 1))
  outbox.send(message(2))
  outbox.takeWrite(HARD_STATE, 0)

  expect(termsSent(outbox)).toEqual([])
  outbox.persisted(1)
  expect(termsSent(outbox)).toEqual([1, 2])
  outbox.send(message(3))
  expect(termsSent(outbox)).toEqual([3])
})

test('sendAfterLog() waits for all entries that the log holds now', () => {
  const { log, outbox } = outboxOver()
  log.append(entryOf(1, 1))
  expect(outbox.takeWrite(HARD_STATE, 0)).toEqual({
    write: 1,
    hardState: null,
    entries: [entryOf(1, 1)],
  })
  outbox.sendAfterLog(message(1)) // Under way already.
  log.append(entryOf(1, 2))
  outbox.sendAfterLog(message(2)) // Still to be written.
  outbox.takeWrite(HARD_STATE, 0)

  outbox.persisted(1)
  expect(termsSent(outbox)).toEqual([1])
  outbox.persisted(2)
  expect(termsSent(outbox)).toEqual([2])
  outbox.sendAfterLog(message(3))
  expect(termsSent(outbox)).toEqual([3])
})

test('takeMessages() keeps the order in which they were made', () => {
  const { log, outbox } = outboxOver()
  log.append(entryOf(1, 1))
  for (const [term, waits] of [
    [1, true],
    [2, false],
    [3, true],
    [4, false],
  ] as const) {
    if (waits) outbox.sendAfterLog(message(term))
    else outbox.send(message(term))
  }
  outbox.takeWrite(HARD_STATE, 0)

  expect(termsSent(outbox)).toEqual([2, 4])
  outbox.persisted(1)
  expect(termsSent(outbox)).toEqual([1, 3])
})

test('takeWrite() gives term, vote, promise and entries in one piece, once', () => {
  const { log, outbox } = outboxOver()
  log.append(entryOf(1, 1))
  outbox.markHardState()

  expect(outbox.takeWrite(HARD_STATE, 0)).toMatchObject({ write: 1, hardState: HARD_STATE })
  expect(outbox.takeWrite(HARD_STATE, 0)).toBeNull()
})

test('persisted() covers all writes up to its number, and each once', () => {
  const { log, outbox } = outboxOver()
  for (const entry of entriesOf([1, 1, 1])) {
    log.append(entry)
    outbox.takeWrite(HARD_STATE, 0)
  }

  outbox.persisted(2)
  expect(log.persisted).toBe(2)
  expect(() => outbox.persisted(2)).toThrow('durable once')
  expect(() => outbox.persisted(4)).toThrow('only what was handed out')
})

test('truncated() voids what writes under way say of the entries that went (ABA)', () => {
  const { log, outbox } = outboxOver()
  const replaceFrom = (index: number, terms: readonly number[]) => {
    if (index <= log.last) {
      log.truncate(index)
      outbox.truncated(index)
    }
    for (const entry of entriesOf(terms, index)) log.append(entry)
    outbox.takeWrite(HARD_STATE, 0)
  }
  replaceFrom(1, [1, 1, 1])
  replaceFrom(3, [2])
  replaceFrom(2, [3, 3])

  outbox.persisted(1) // Its first entry still stands.
  expect(log.persisted).toBe(1)
  outbox.persisted(2)
  expect(log.persisted).toBe(1)
  outbox.persisted(3)
  expect(log.persisted).toBe(3)
})

test('pendingSinceMs is when the oldest unfinished write was handed out', () => {
  const { log, outbox } = outboxOver()
  expect(outbox.pendingSinceMs).toBeNull()
  for (const [i, entry] of entriesOf([1, 1]).entries()) {
    log.append(entry)
    outbox.takeWrite(HARD_STATE, 100 + i)
  }

  expect(outbox.pendingSinceMs).toBe(100)
  outbox.persisted(1)
  expect(outbox.pendingSinceMs).toBe(101)
  outbox.persisted(2)
  expect(outbox.pendingSinceMs).toBeNull()
})

test('dropHeld() forgets what waited; what waits is bounded, the oldest goes first', () => {
  const { outbox } = outboxOver(2)
  outbox.markHardState()
  for (const term of [1, 2, 3]) outbox.send(message(term))
  outbox.takeWrite(HARD_STATE, 0)
  outbox.persisted(1)
  expect(termsSent(outbox)).toEqual([2, 3])

  outbox.markHardState()
  outbox.send(message(4))
  outbox.dropHeld()
  outbox.takeWrite(HARD_STATE, 0)
  outbox.persisted(2)
  expect(termsSent(outbox)).toEqual([])
})

test('dropVoteRequests() forgets a campaign that is over, and nothing else that waits', () => {
  const { outbox } = outboxOver(8)
  outbox.markHardState()
  outbox.send(message(4))
  outbox.send({
    type: 'vote_request',
    from: 'a',
    incarnation: 'a',
    to: 'b',
    term: 4,
    preVote: false,
    lastTerm: 1,
    lastIndex: 1,
    transfer: false,
  })
  outbox.dropVoteRequests()
  outbox.takeWrite(HARD_STATE, 0)
  outbox.persisted(1)
  expect(outbox.takeMessages().map(({ type }) => type)).toEqual([message(4).type])
})
