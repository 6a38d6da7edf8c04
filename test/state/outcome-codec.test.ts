import { expect, test } from 'bun:test'
import { encode } from '../../src/lib/msgpack.ts'
import { decodeOutcome, encodeOutcome, InvalidCommand } from '../../src/state/mod.ts'
import type { InstanceRow, Outcome, OverrideRow } from '../../src/state/mod.ts'
import { SPEC, WEB } from './support.ts'

const revisions = { revision: 9, createdRevision: 3, createdAtMs: 1, updatedAtMs: 2 }

const override: OverrideRow = {
  status: 'down',
  weight: null,
  reason: 'disk',
  by: 'ann',
  ...revisions,
}

const instance: InstanceRow = {
  ...WEB,
  spec: { ...SPEC, tags: ['a'], removeAfterMs: null },
  health: 'critical',
  healthReason: 'ttl',
  lease: 'i:default/web/a',
  override,
  nodeOverride: null,
  ...revisions,
}

const done = { ok: true, revision: 9, created: true } as const
const refused = { ok: false, revision: 9, detail: 'why' } as const

const OUTCOMES: readonly Outcome[] = [
  { ...done, created: false, result: null },
  { ...done, result: { type: 'instance', instance } },
  { ...done, result: { type: 'override', override } },
  {
    ...done,
    result: {
      type: 'service',
      service: {
        ns: 'default',
        service: 'web',
        settings: { metadata: { a: 'b' }, protectThreshold: 0.5 },
        ...revisions,
      },
    },
  },
  {
    ...done,
    result: {
      type: 'lease',
      lease: {
        id: 'abc',
        ns: 'default',
        ttlMs: 5,
        leaseRevision: 9,
        removeAfterMs: 0,
        onLapse: 'remove',
        owner: null,
        suspectMs: 3,
        lapsed: false,
      },
    },
  },
  {
    ...done,
    result: {
      type: 'config',
      config: {
        ns: 'default',
        key: 'app/db',
        contentType: 'text/plain',
        version: 2,
        size: 0,
        lease: null,
        updatedBy: 'ann',
        ...revisions,
      },
    },
  },
  {
    ...done,
    result: {
      type: 'lock',
      grant: {
        ns: 'default',
        name: 'job',
        token: 9,
        place: 4,
        owner: 'me',
        value: null,
        ttlMs: 5_000,
        lease: null,
        revision: 9,
        createdAtMs: 1_700_000_000_000,
      },
    },
  },
  { ...done, result: { type: 'lock_queued', place: 4 } },
  { ...done, created: false, result: { type: 'txn', succeeded: false, results: [] } },
  {
    ...done,
    created: false,
    result: {
      type: 'txn',
      succeeded: true,
      results: [
        { created: true, version: 3, revision: 9, content: null },
        {
          created: false,
          version: 3,
          revision: 7,
          content: { contentType: 'text/plain', value: new Uint8Array([0, 255]) },
        },
        { created: false, version: null, revision: null, content: null },
      ],
    },
  },
  { ...refused, code: 'not_found' },
  { ...refused, code: 'not_found', failed: 0 },
  { ...refused, code: 'version_mismatch', current: 4, failed: 127 },
  { ...refused, code: 'invalid_request', path: 'address', failed: 1 },
  { ...refused, code: 'stale_token' },
  { ...refused, code: 'too_large', failed: 1 },
  { ...refused, code: 'idempotency_key_reused' },
  { ...refused, code: 'too_many_requests' },
  { ...refused, code: 'schema_changed' },
  { ...refused, code: 'conflict' },
  { ...refused, code: 'version_mismatch', current: null },
  { ...refused, code: 'version_mismatch', current: 4 },
  { ...refused, code: 'invalid_request', path: 'address' },
]

test.each(OUTCOMES)('decodeOutcome() reads what encodeOutcome() wrote: %#', (outcome) => {
  expect(decodeOutcome(encodeOutcome(outcome))).toEqual(outcome)
})

/** Rows of idempotency keys hold them, so a newer program must read what an older one kept. */
test.each<readonly [Outcome, string]>([
  [{ ...done, result: null }, '940109c3c0'],
  [{ ...refused, code: 'conflict' }, '95000902a3776879c0'],
  [{ ...refused, code: 'not_found', failed: 2 }, '96000900a3776879c002'],
  [
    {
      ...done,
      result: {
        type: 'txn',
        succeeded: true,
        results: [{ created: true, version: 3, revision: 9, content: null }],
      },
    },
    '940109c3920592c39194c30309c0',
  ],
])('%j has its bytes for ever', (outcome, bytes) => {
  expect(encodeOutcome(outcome).toHex()).toBe(bytes)
})

test.each([
  ['nothing', []],
  ['another first word', [2, 9, true, null]],
  ['a field more', [1, 9, true, null, 0]],
  ['a thing of an unknown type', [1, 9, true, [9, []]]],
  ['a code of an unknown number', [0, 9, 99, 'why', null]],
  ['a position that is none', [0, 9, 0, 'why', null, -1]],
  ['a refusal that holds too much', [0, 9, 0, 'why', 4]],
  ['a revision that is none', [1, -1, true, null]],
])('decodeOutcome() refuses %s', (_what, raw) => {
  expect(() => decodeOutcome(encode(raw))).toThrow(InvalidCommand)
  expect(() => decodeOutcome(new Uint8Array([0xc1]))).toThrow(InvalidCommand)
})
