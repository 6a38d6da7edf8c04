import { expect, test } from 'bun:test'
import { configPut, Fed, match, WALL_START_MS } from './support.ts'

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)
const configDelete = (key: string) =>
  ({ type: 'config_delete', ns: 'default', key, by: 'ann', expect: null }) as const

test('config_put creates a key, then writes its next versions, identical bytes too', async () => {
  const fed = await Fed.open()

  expect(fed.apply(configPut('app/db', 'one', { by: 'ann' }))).toEqual({
    ok: true,
    revision: 1,
    created: true,
    result: {
      type: 'config',
      config: {
        ns: 'default',
        key: 'app/db',
        contentType: 'text/plain',
        version: 1,
        size: 3,
        lease: null,
        updatedBy: 'ann',
        revision: 1,
        createdRevision: 1,
        createdAtMs: WALL_START_MS + 1,
        updatedAtMs: WALL_START_MS + 1,
      },
    },
  })
  expect(fed.apply(configPut('app/db', 'one'))).toMatchObject({
    created: false,
    result: { config: { version: 2, revision: 2, createdRevision: 1, updatedBy: null } },
  })
  expect(fed.machine.config('default', 'app/db')).toMatchObject({ version: 2, revision: 2 })
  expect(text(fed.machine.config('default', 'app/db')?.value)).toBe('one')
  expect(fed.topics()).toEqual(['config/app/db'])
})

test('a value of no bytes is a value', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('a', ''))
  expect(fed.machine.config('default', 'a')).toMatchObject({ size: 0, value: new Uint8Array(0) })
})

test('config_delete leaves the version and the revision to go on from', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('a', 'x'))
  fed.ok(configPut('a', 'y'))

  expect(fed.apply(configDelete('a'))).toEqual({
    ok: true,
    revision: 3,
    created: false,
    result: null,
  })
  expect(fed.topics()).toEqual(['config/a'])
  expect(fed.machine.config('default', 'a')).toBeNull()
  expect(fed.machine.configRevision('default', 'a')).toBe(3)
  expect(fed.machine.configList('default', { prefix: '', after: null, limit: 9 })).toEqual([])

  expect(fed.apply(configPut('a', 'z'))).toMatchObject({
    created: true,
    result: { config: { version: 3, revision: 4, createdRevision: 4 } },
  })
})

test('deleting what is not there is fine and changes nothing', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('a', 'x'))
  fed.ok(configDelete('a'))
  const before = fed.machine.stateHash()

  for (const key of ['a', 'never']) {
    expect(fed.apply(configDelete(key))).toMatchObject({ ok: true, created: false })
    expect(fed.topics()).toEqual([])
  }
  expect(fed.machine.stateHash()).toBe(before)
  expect(fed.machine.configRevision('default', 'a')).toBe(2)
})

test('If-Match compares the version, If-None-Match: * wants none', async () => {
  const fed = await Fed.open()
  const absent = { match: null, absent: true }
  fed.ok(configPut('other', 'x'))

  expect(fed.apply(configPut('a', 'x', { expect: match(1) }))).toMatchObject({
    ok: false,
    code: 'version_mismatch',
    current: null,
  })
  expect(fed.apply(configPut('a', 'x', { expect: { match: '*', absent: false } })).ok).toBe(false)
  expect(fed.apply(configPut('a', 'x', { expect: absent })).ok).toBe(true)
  expect(fed.apply(configPut('a', 'x', { expect: absent }))).toMatchObject({
    code: 'version_mismatch',
    current: 1,
  })
  expect(fed.apply(configPut('a', 'x', { expect: match(7, 1) })).ok).toBe(true)
  expect(fed.apply(configPut('a', 'x', { expect: match(1) }))).toMatchObject({ current: 2 })
  expect(fed.apply({ ...configDelete('a'), expect: match(1) }).ok).toBe(false)
  expect(fed.apply({ ...configDelete('a'), expect: match(2) }).ok).toBe(true)
  // Deleted is absent: 0 names it in a list.
  expect(fed.apply(configPut('a', 'x', { expect: match(2) }))).toMatchObject({ current: null })
  expect(fed.apply(configPut('a', 'x', { expect: match(0) })).ok).toBe(true)
})

test('namespaces do not see each other', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('a', 'x', { ns: 'one' }))
  expect(fed.machine.config('two', 'a')).toBeNull()
  expect(fed.machine.configRevision('two', 'a')).toBe(0)
  expect(fed.machine.configPrefixRevision('two', '')).toBe(0)
})

test('configList() pages through a prefix in the order of bytes', async () => {
  const fed = await Fed.open()
  const sorted = ['app/', 'app/Z', 'app/a', 'app/a/b', 'app/é', 'app/～', 'app/🦊']
  for (const key of [...sorted.toReversed(), 'ap', 'app', 'app0', 'b']) fed.ok(configPut(key, key))
  fed.ok(configPut('app/gone', ''))
  fed.ok(configDelete('app/gone'))
  const keys = (after: string | null, limit: number) =>
    fed.machine.configList('default', { prefix: 'app/', after, limit }).map((meta) => meta.key)

  expect(keys(null, 100)).toEqual(sorted)
  const paged: string[] = []
  for (let page = keys(null, 2); page.length > 0; page = keys(page.at(-1) ?? null, 2)) {
    paged.push(...page)
  }
  expect(paged).toEqual(sorted)
  expect(keys('a', 1)).toEqual(['app/'])
  expect(keys('app/🦊', 9)).toEqual([])
  expect(keys('zzz', 9)).toEqual([])
})

test('configPrefixRevision() follows every change, deletions included', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('app/a', 'x'))
  fed.ok(configPut('app/b/c', 'x'))
  fed.ok(configPut('z', 'x'))
  const revisions = () =>
    ['', 'app/', 'app/b/', 'app/a', 'none'].map((prefix) =>
      fed.machine.configPrefixRevision('default', prefix),
    )

  expect(revisions()).toEqual([3, 2, 2, 1, 0])
  fed.ok(configDelete('app/a'))
  expect(revisions()).toEqual([4, 4, 2, 4, 0])
  fed.ok(configPut('none/x', 'x'))
  expect(revisions()).toEqual([5, 4, 2, 4, 5])
  fed.ok(configPut('none/x', 'x', { ns: 'other' }))
  expect(revisions()).toEqual([5, 4, 2, 4, 5])
})

test('more prefixes than are remembered give the same answers', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('key-7', 'x'))
  for (let i = 0; i < 1_500; i++) fed.machine.configPrefixRevision('default', `key-${i}`)
  fed.ok(configPut('key-77', 'x'))
  expect(fed.machine.configPrefixRevision('default', 'key-7')).toBe(2)
  expect(fed.machine.configPrefixRevision('default', 'key-77')).toBe(2)
  expect(fed.machine.configPrefixRevision('default', 'key-8')).toBe(0)
})

test('a key may hang on a lease of its namespace that is there', async () => {
  const fed = await Fed.open()
  fed.ok({ type: 'lease_grant', ns: 'default', id: 'l', ttlMs: 1000, owner: null })

  expect(fed.apply(configPut('a', 'x', { lease: 'none' }))).toMatchObject({ code: 'not_found' })
  expect(fed.apply(configPut('a', 'x', { lease: 'l', ns: 'other' }))).toMatchObject({
    code: 'not_found',
  })
  fed.ok(configPut('a', 'x', { lease: 'l' }))
  fed.ok(configPut('b', 'x', { lease: 'l' }))
  expect(fed.machine.leaseHoldings('l')).toEqual({ instances: [], config: ['a', 'b'], locks: [] })

  // Written again without it, the key stands on its own.
  fed.ok(configPut('a', 'x'))
  expect(fed.machine.leaseHoldings('l').config).toEqual(['b'])
})
