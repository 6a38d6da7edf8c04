import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { zipSync } from 'fflate'
import {
  fromConsul,
  fromEtcd,
  fromFolder,
  fromNacos,
  ImportFormatError,
  toLines,
} from '../../src/cli/import-formats/mod.ts'
import type { Imported } from '../../src/cli/import-formats/mod.ts'
import { jsonOf, testApi } from '../http/support.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const base64 = (text: string) => bytes(text).toBase64()

/** Keys, texts, types and comments. */
const seen = ({ entries }: Imported) =>
  entries.map(({ key, value, contentType, comment }) => [
    key,
    new TextDecoder().decode(value),
    contentType,
    comment,
  ])

describe('consul kv export', () => {
  test('is read: keys, base64 values, folders', () => {
    const pairs = [
      { key: 'app/', flags: 0, value: '' },
      { key: 'app/db', flags: 42, value: base64('x=1') },
      { key: 'empty', flags: 0, value: '', partition: 'default' },
      { key: 'a b', flags: 0, value: base64('odd') },
    ]
    const imported = fromConsul(bytes(JSON.stringify(pairs)))
    expect(seen(imported)).toEqual([
      ['app/db', 'x=1', null, null],
      ['empty', '', null, null],
    ])
    expect(imported.skipped).toMatchObject([
      { name: 'app/', why: 'it is a folder, which Consul keeps as a key' },
      { name: 'a b', why: expect.stringContaining('U+0020') },
    ])
  })

  test.each(['', '{}', '[1]', '[{"key":"a","value":"?"}]', '[{"key":"a","value":1}]'])(
    '%j is refused',
    (text) => {
      expect(() => fromConsul(bytes(text))).toThrow(ImportFormatError)
    },
  )
})

function answer(kvs: object[] | undefined, more: object = {}): Uint8Array {
  const found = kvs === undefined ? {} : { kvs, count: kvs.length }
  return bytes(JSON.stringify({ header: { revision: 7 }, ...found, ...more }))
}

describe('etcdctl get -w json', () => {
  test('is read: slashes at the front, values left out, leases', () => {
    const imported = fromEtcd(
      answer([
        {
          key: base64('/app/db'),
          create_revision: 2,
          mod_revision: 3,
          version: 2,
          value: base64('1'),
        },
        { key: base64('/app/empty'), create_revision: 4, mod_revision: 4, version: 1 },
        { key: base64('/app/db'), value: base64('2') },
        { key: base64('app/here'), value: base64('x'), lease: 123 },
        { key: new Uint8Array([255]).toBase64(), value: '' },
      ]),
    )
    expect(seen(imported)).toEqual([
      ['app/db', '1', null, null],
      ['app/empty', '', null, null],
    ])
    expect(imported.skipped).toEqual([
      { name: '/app/db', why: 'another entry is "app/db" already' },
      { name: 'app/here', why: 'it hangs on a lease' },
      { name: '/w==', why: 'its name is not UTF-8' },
    ])
    expect(fromEtcd(answer(undefined)).entries).toEqual([])
  })

  test.each(['', '[]', '{"kvs":[]}', '{"header":{},"kvs":1}', '{"header":{},"kvs":[{}]}'])(
    '%j is refused',
    (text) => {
      expect(() => fromEtcd(bytes(text))).toThrow(ImportFormatError)
    },
  )

  test('a cut answer is refused', () => {
    expect(() => fromEtcd(answer([], { more: true }))).toThrow('--limit')
  })
})

function zip(files: Record<string, string>): Uint8Array {
  const entries = Object.entries(files).map(([path, text]) => [path, bytes(text)] as const)
  return zipSync(Object.fromEntries(entries))
}

describe('the export of Nacos', () => {
  const METADATA = `metadata:
- appName: ''
  dataId: db.properties
  desc: the database
  group: DEFAULT_GROUP
  type: properties
- dataId: rules
  desc: null
  group: shop
  type: json
- dataId: gone
  group: shop
  type: text
`
  test('is read: groups, types, descriptions', () => {
    const imported = fromNacos(
      zip({
        'DEFAULT_GROUP/db.properties': 'a=1',
        'shop/rules': '{}',
        'shop/unlisted.yaml': 'a: 1',
        stray: 'x',
        '.metadata.yml': METADATA,
      }),
    )
    expect(seen(imported)).toEqual([
      ['DEFAULT_GROUP/db.properties', 'a=1', 'text/plain', 'the database'],
      ['shop/rules', '{}', 'application/json', null],
      ['shop/unlisted.yaml', 'a: 1', null, null],
    ])
    expect(imported.skipped).toEqual([
      { name: 'stray', why: 'it lies in no group' },
      { name: 'shop/gone', why: 'it is listed, and not in the archive' },
    ])
  })

  test('an older one has no such list', () => {
    const imported = fromNacos(zip({ 'g/a': '1', '.meta.yml': 'g.a.app=shop' }))
    expect(seen(imported)).toEqual([['g/a', '1', null, null]])
  })

  test('damage is refused, and nothing else is thrown', () => {
    const whole = zip({ 'g/a': '1', '.metadata.yml': METADATA })
    const damaged = fc
      .tuple(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length))
      .map(([at, value, cut]) => {
        const copy = whole.slice(0, cut)
        if (at < cut) copy[at] = value
        return copy
      })
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array()), (given) => {
        try {
          fromNacos(given)
        } catch (error) {
          if (!(error instanceof ImportFormatError)) throw error
        }
      }),
      { numRuns: 500 },
    )
    expect(() => fromNacos(zip({ '.metadata.yml': 'a: [' }))).toThrow('is not YAML')
    expect(() => fromNacos(zip({ '.metadata.yml': 'a: 1' }))).toThrow('does not list')
  })

  test('a zip that unpacks to far more is not unpacked', () => {
    const bomb = zipSync({ 'g/a': new Uint8Array(65 * 1024 * 1024) })
    expect(bomb.length).toBeLessThan(1024 * 1024)
    expect(() => fromNacos(bomb)).toThrow('unpacks to more than')
  })
})

test('a folder is read: paths are keys, hidden files are not', () => {
  const imported = fromFolder([
    { path: 'app/db.json', bytes: bytes('{}') },
    { path: '.git/config', bytes: bytes('x') },
    { path: 'ünï', bytes: bytes('x') },
  ])
  expect(seen(imported)).toEqual([['app/db.json', '{}', null, null]])
  expect(imported.skipped.map(({ name }) => name)).toEqual(['.git/config', 'ünï'])
})

test('what was read is what POST /v1/config-import takes', async () => {
  const { call, registry } = await testApi()
  registry.apply({ type: 'cluster_version', version: 3 })
  const { entries } = fromFolder([
    { path: 'a.json', bytes: bytes('{}') },
    { path: 'b', bytes: new Uint8Array([255]) },
  ])
  const body = toLines(entries, 'from/')
  expect(jsonOf(await call('POST /v1/config-import', { body }))).toMatchObject({ created: 2 })
  const got = await call('GET /v1/config/from/a.json')
  expect([got.text, got.headers.get('Content-Type')]).toEqual(['{}', 'application/json'])
})
