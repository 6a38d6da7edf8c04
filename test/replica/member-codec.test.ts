import { expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { encode } from '../../src/lib/msgpack.ts'
import {
  decodeMemberRequest,
  decodeMemberResult,
  encodeMemberRequest,
  encodeMemberResult,
  MemberCodecError,
  type MemberRequest,
} from '../../src/replica/members/member-codec.ts'

const d = { id: 'd', url: 'http://d:7400', role: 'voter' } as const
const REQUESTS: readonly MemberRequest['change'][] = [
  { type: 'add', ...d },
  { type: 'add', id: 'd', url: null, role: 'learner' },
  { type: 'remove', id: 'd' },
  { type: 'set', members: [d, { ...d, id: 'e', url: null }] },
  { type: 'add', ...d, role: 'witness' },
  { type: 'join', incarnation: 'd-1', ...d, witness: true },
  { type: 'join', id: 'd', incarnation: 'd-1', url: null, role: null, witness: false },
  { type: 'transfer', to: 'd' },
  { type: 'transfer', to: null },
]

test('decodeMemberRequest() reads what encodeMemberRequest() wrote', () => {
  for (const change of REQUESTS) {
    const request = { change, force: true, waitMs: 5_000 }
    expect(decodeMemberRequest(encodeMemberRequest(request))).toEqual(request)
  }
})

test('decodeMemberResult() reads what encodeMemberResult() wrote', () => {
  const done = { ok: true, index: 7, warnings: ['w'], leader: null } as const
  for (const result of [
    { ...done, membership: new Uint8Array([1, 2]) },
    { ok: false, code: 'conflict', detail: 'because' } as const,
  ]) {
    expect(decodeMemberResult(encodeMemberResult(result))).toEqual(result)
  }
})

test.each([
  ['no list', 7],
  ['an unknown kind', [9, false, 0, null]],
  ['a name that is none', [1, false, 0, 'a b']],
  ['a url of two lines', [0, false, 0, ['d', 'http://d\n', 0]]],
  ['a role that nobody has', [0, false, 0, ['d', null, 7]]],
  ['no role in a change', [0, false, 0, ['d', null, 3]]],
  ['a number for a list', [2, false, 0, 4]],
  ['a time before now', [1, false, -1, 'd']],
])('decodeMemberRequest() refuses %s', (_, value) => {
  expect(() => decodeMemberRequest(encode(value))).toThrow(MemberCodecError)
})

test('whatever bytes come, nothing but the own error is thrown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      for (const read of [decodeMemberRequest, decodeMemberResult]) {
        try {
          read(new Uint8Array(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(MemberCodecError)
        }
      }
    }),
    { numRuns: 3_000 },
  )
})
