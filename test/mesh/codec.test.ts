import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { concatBytes } from '../../src/lib/bytes.ts'
import { encode } from '../../src/lib/msgpack.ts'
import { decodeMessages, encodeMessage, listHead } from '../../src/mesh/codec.ts'
import { CodecError } from '../../src/mesh/fields.ts'
import type { PeerMessage } from '../../src/mesh/mod.ts'
import type { Entry } from '../../src/raft/types.ts'

const route = { from: 'n1', incarnation: 'i1', to: 'n2' }

const count = fc.oneof(fc.nat(300), fc.maxSafeNat())
const bytes = fc.uint8Array({ maxLength: 200 })
const mode = fc.constantFrom('lease' as const, 'linearizable' as const)
const envelope = { from: fc.constant('n1'), incarnation: fc.constant('i1'), to: fc.constant('n2') }

const entries = fc.array(
  fc.record({
    type: fc.constantFrom('noop' as const, 'command' as const, 'membership' as const),
    clusterMs: count,
    wallMs: count,
    data: bytes,
  }),
  { maxLength: 20 },
)

const append = fc
  .record({
    ...envelope,
    type: fc.constant('append' as const),
    term: fc.integer({ min: 5, max: 9 }),
    prevIndex: fc.maxSafeNat().map((index) => Math.floor(index / 2)),
    prevTerm: fc.integer({ min: 0, max: 4 }),
    commit: count,
    round: count,
    promiseMs: count,
    heardRound: count,
    confirmedAgeMs: fc.option(count),
    entries,
  })
  .map((given) => ({
    ...given,
    entries: given.entries.map(({ type, clusterMs, wallMs, data }, i): Entry => {
      return { type, clusterMs, wallMs, data, term: 5, index: given.prevIndex + 1 + i }
    }),
  }))

const response = {
  ...envelope,
  type: fc.constant('append_response' as const),
  term: count,
  round: count,
}
const raftMessage = fc.oneof(
  append,
  fc.record({
    ...envelope,
    type: fc.constant('vote_request' as const),
    term: count,
    preVote: fc.boolean(),
    lastTerm: count,
    lastIndex: count,
    transfer: fc.boolean(),
  }),
  fc.record({
    ...envelope,
    type: fc.constant('vote_response' as const),
    term: count,
    preVote: fc.boolean(),
    granted: fc.boolean(),
  }),
  fc.record({ ...response, result: fc.record({ ok: fc.constant(true as const), match: count }) }),
  fc.record({
    ...response,
    result: fc.record({
      ok: fc.constant(false as const),
      rejected: count,
      conflictTerm: fc.option(count),
      conflictIndex: count,
    }),
  }),
  fc.record({ ...envelope, type: fc.constant('timeout_now' as const), term: count }),
  fc.record({
    ...envelope,
    type: fc.constant('log_lost' as const),
    term: count,
    acknowledged: count,
  }),
  fc
    .record({
      index: count,
      term: count,
      more: fc.integer({ min: 0, max: 1_000 }),
      at: count,
      bytes,
    })
    .map(({ index, term, more, at, bytes: membership }) => ({
      ...route,
      type: 'install_snapshot' as const,
      term: Math.min(Number.MAX_SAFE_INTEGER, term + more),
      snapshot: { index, term },
      membershipIndex: at,
      membership,
    })),
)

const hash = fc.stringMatching(/^[0-9a-f]{16}$/)
const lease = fc.string({ minLength: 1, maxLength: 60 })
const request = fc.oneof(
  fc.record({ type: fc.constant('propose' as const), command: bytes }),
  fc.record({ type: fc.constant('heartbeats' as const), beats: fc.array(fc.record({ lease })) }),
  fc.record({ type: fc.constant('read_index' as const), mode }),
  fc.record({ type: fc.constant('cluster_info' as const) }),
  fc.record({ type: fc.constant('report_state' as const), index: count, hash, schema: count }),
  fc.record({ type: fc.constant('want_state' as const), after: count }),
  fc.record({ type: fc.constant('ask_edge' as const), question: bytes }),
)
const beat = fc.option(
  fc.record({ ttlMs: fc.integer({ min: 1, max: 90_000_000 }), expiresInMs: count }),
)
const answer = fc.oneof(
  fc.record({ type: fc.constant('outcome' as const), outcome: bytes }),
  fc.record({ type: fc.constant('beats' as const), results: fc.array(beat) }),
  fc.record({ type: fc.constant('read_at' as const), index: count, mode }),
  fc.record({ type: fc.constant('cluster_info' as const), info: bytes }),
  fc.record({ type: fc.constant('report_noted' as const) }),
  fc.record({
    type: fc.constant('state_offered' as const),
    from: fc.constant('n1'),
    snapshot: fc.record({ index: count, term: count }),
    membershipIndex: count,
    membership: bytes,
  }),
  fc.record({ type: fc.constant('edge_answer' as const), answer: bytes }),
  fc.record({
    type: fc.constant('refused' as const),
    code: fc.constantFrom('not_leader' as const, 'too_many_requests' as const, 'unknown' as const),
  }),
)

const message: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({ type: fc.constant('raft' as const), message: raftMessage }),
  fc.record({ type: fc.constant('request' as const), id: count, request }),
  fc.record({ type: fc.constant('response' as const), id: count, response: answer }),
)

const payloadOf = (messages: readonly PeerMessage[]) =>
  concatBytes([listHead(messages.length), ...messages.map((one) => encodeMessage(one, route))])

const forged = (change: object) =>
  encodeMessage(
    { type: 'raft', message: { ...route, type: 'timeout_now', term: 1, ...change } },
    route,
  )

const propose = (command: Uint8Array): PeerMessage => ({
  type: 'request',
  id: 1,
  request: { type: 'propose', command },
})

const entry = (term: number): Entry => ({
  type: 'noop',
  term,
  index: 1,
  clusterMs: 0,
  wallMs: 0,
  data: new Uint8Array(),
})

const wrap = (one: Uint8Array) => concatBytes([listHead(1), one])

describe('encodeMessage() and decodeMessages()', () => {
  test('give back what went in', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (given) => {
        const expected: readonly unknown[] = given
        expect<readonly unknown[]>(decodeMessages(payloadOf(given), route)).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('let a message be of its link alone', () => {
    expect(() => forged({ from: 'n3' })).toThrow('speaks for itself')
    expect(() => forged({ incarnation: 'other' })).toThrow('keeps its incarnation')
    expect(() => forged({ to: 'n3' })).toThrow('whom it names')
  })

  test('round what remains of a lease down', () => {
    const beats = payloadOf([
      {
        type: 'response',
        id: 1,
        response: { type: 'beats', results: [{ ttlMs: 100, expiresInMs: 99.9 }, null] },
      },
    ])

    expect(decodeMessages(beats, route)).toEqual([
      {
        type: 'response',
        id: 1,
        response: { type: 'beats', results: [{ ttlMs: 100, expiresInMs: 99 }, null] },
      },
    ])
  })

  test('copy a small part of a large frame, and leave a large one where it is', () => {
    const payload = payloadOf([propose(new Uint8Array(10)), propose(new Uint8Array(1_000))])

    const buffers = decodeMessages(payload, route).map((one) =>
      one.type === 'request' && one.request.type === 'propose' ? one.request.command.buffer : null,
    )

    expect(buffers[0]?.byteLength).toBe(10)
    expect(buffers[1]).toBe(payload.buffer)
  })
})

const appendOf = (terms: { readonly entry: number; readonly prev: number; readonly own: number }) =>
  encodeMessage(
    {
      type: 'raft',
      message: {
        ...route,
        type: 'append',
        term: terms.own,
        prevIndex: 0,
        prevTerm: terms.prev,
        entries: [entry(terms.entry)],
        commit: 0,
        round: 0,
        promiseMs: 0,
        heardRound: 0,
        confirmedAgeMs: null,
      },
    },
    route,
  )

describe('decodeMessages() refuses', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['no list', 1],
    ['a map', {}],
    ['a message that is no list', [7]],
    ['an empty message', [[]]],
    ['an unknown message', [[99, 1]]],
    ['a tag that is no number', [['append']]],
    ['a missing term', [[7]]],
    ['a further field', [[7, 1, 1]]],
    ['a negative term', [[7, -1]]],
    ['a fraction', [[7, 1.5]]],
    ['a term that is a text', [[7, '1']]],
    ['NaN', [[7, Number.NaN]]],
    ['a number beyond 2^53', [[7, 2 ** 60]]],
    ['null for a term', [[7, null]]],
    ['a flag that is a number', [[3, 1, 1]]],
    ['entries that are a text', [[4, 1, 0, 0, 0, 0, 0, 'entries']]],
    ['entries that are garbage', [[4, 1, 0, 0, 0, 0, 0, new Uint8Array(40).fill(255)]]],
    ['entries that are cut', [[4, 1, 0, 0, 0, 0, 0, new Uint8Array(28)]]],
    ['an index beyond 2^53', [[4, 1, Number.MAX_SAFE_INTEGER, 0, 0, 0, 0, null]]],
    ['an unknown request', [[16, 1, [9]]]],
    ['a request that is no list', [[16, 1, 'propose']]],
    ['a request with a further field', [[16, 1, [3, 1]]]],
    ['a command that is a text', [[16, 1, [0, 'command']]]],
    ['an empty lease', [[16, 1, [1, '']]]],
    ['a lease over its length', [[16, 1, [1, 'x'.repeat(5_000)]]]],
    ['an unknown mode', [[16, 1, [2, 2]]]],
    ['half a beat', [[17, 1, [1, 100]]]],
    ['an unknown refusal', [[17, 1, [4, 77]]]],
    ['a good message before a bad one', [[7, 1], [99]]],
  ]
  test.each(cases)('%s', (_, value) => {
    expect(() => decodeMessages(encode(value), route)).toThrow(CodecError)
  })

  test('entries of a term before the one they follow, or after their leader', () => {
    expect(decodeMessages(wrap(appendOf({ prev: 1, entry: 2, own: 2 })), route)).toHaveLength(1)
    expect(() => decodeMessages(wrap(appendOf({ prev: 2, entry: 1, own: 2 })), route)).toThrow(
      'terms out of order',
    )
    expect(() => decodeMessages(wrap(appendOf({ prev: 1, entry: 3, own: 2 })), route)).toThrow(
      'terms out of order',
    )
  })

  test('anything else with its own error, whatever byte was changed', () => {
    const damaged = fc
      .tuple(fc.array(message, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(255))
      .map(([messages, at, byte]) => {
        const payload = payloadOf(messages)
        payload[at % payload.length] = byte
        return payload
      })
    fc.assert(
      fc.property(damaged, (payload) => {
        try {
          decodeMessages(payload, route)
        } catch (error) {
          expect(error).toBeInstanceOf(CodecError)
        }
      }),
      { numRuns: 3_000 },
    )
  })
})
