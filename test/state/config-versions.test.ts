import { expect, test } from 'bun:test'
import { prng } from '../../src/lib/prng.ts'
import type { Command, Expect, StateMachine } from '../../src/state/mod.ts'
import { configPut, Fed, match } from './support.ts'

const NS = 'default'

async function opened(): Promise<Fed> {
  const fed = await Fed.open()
  fed.ok({ type: 'cluster_version', version: 3 })
  return fed
}

function rollback(key: string, to: number, expected: Expect | null = null): Command {
  const by = { comment: 'back', by: 'ann' }
  return { type: 'config_rollback', ns: NS, key, to, ...by, expect: expected }
}

function remove(key: string): Command {
  return { type: 'config_delete', ns: NS, key, by: null, expect: null }
}

function textOf(machine: StateMachine, key: string, version: number): string | null {
  const found = machine.configVersion(NS, key, version)
  return found === null ? null : new TextDecoder().decode(found.value)
}

test('configVersion() gives what was written as that version', async () => {
  const fed = await opened()
  for (const value of ['one', 'two', 'three']) fed.ok(configPut('k', value))
  fed.ok(configPut('other', 'x'))

  expect([1, 2, 3].map((version) => textOf(fed.machine, 'k', version))).toEqual([
    'one',
    'two',
    'three',
  ])
  expect([0, 4].map((version) => textOf(fed.machine, 'k', version))).toEqual([null, null])
  expect(textOf(fed.machine, 'never', 1)).toBe(null)
})

test('versions of a key that was deleted are still to be had, and go on after it', async () => {
  const fed = await opened()
  fed.ok(configPut('k', 'one'))
  fed.ok(remove('k'))
  fed.ok(configPut('k', 'two'))
  fed.ok(remove('k'))

  expect(fed.machine.config(NS, 'k')).toBe(null)
  expect(fed.machine.configNewestVersion(NS, 'k')).toBe(2)
  expect([1, 2].map((version) => textOf(fed.machine, 'k', version))).toEqual(['one', 'two'])
})

test('configHistory() is newest first, deletions included, and goes on from any place', async () => {
  const fed = await opened()
  fed.ok(configPut('k', 'one', { comment: 'first', by: 'ann' }))
  fed.ok(configPut('other', 'x'))
  fed.ok(remove('k'))
  fed.ok(configPut('k', '22'))

  const all = fed.machine.configHistory(NS, 'k', { before: null, limit: 10 })
  expect(all.map(({ version, deleted, size }) => [version, deleted, size])).toEqual([
    [2, false, 2],
    [1, true, 0],
    [1, false, 3],
  ])
  expect(all[2]).toMatchObject({ by: 'ann', comment: 'first', revision: 2 })
  const [newest, ...rest] = all
  expect(fed.machine.configHistory(NS, 'k', { before: newest ?? null, limit: 10 })).toEqual(rest)
  expect(fed.machine.configHistory(NS, 'k', { before: null, limit: 1 })).toHaveLength(1)
})

test('config_rollback makes a new version of the old bytes and type, on no lease', async () => {
  const fed = await opened()
  fed.ok({ type: 'lease_grant', ns: NS, id: 'l', ttlMs: 1_000, owner: null })
  fed.ok(configPut('k', '{}', { contentType: 'application/json', lease: 'l' }))
  fed.ok(configPut('k', 'bad'))

  expect(fed.apply(rollback('k', 1))).toMatchObject({
    ok: true,
    created: false,
    result: { config: { version: 3, contentType: 'application/json', lease: null } },
  })
  expect(textOf(fed.machine, 'k', 3)).toBe('{}')
  expect(textOf(fed.machine, 'k', 2)).toBe('bad')
  expect(fed.topics()).toEqual(['config/k'])
})

test('config_rollback of a deleted key brings it back', async () => {
  const fed = await opened()
  fed.ok(configPut('k', 'one'))
  fed.ok(remove('k'))

  expect(fed.apply(rollback('k', 1))).toMatchObject({
    created: true,
    result: { config: { version: 2 } },
  })
  expect(textOf(fed.machine, 'k', 2)).toBe('one')
})

test.each([
  ['of a key that never was', rollback('none', 1), 'not_found', 'there never was'],
  ['to a version that never was', rollback('k', 3), 'not_found', 'the newest is 2'],
  ['that expects another version', rollback('k', 1, match(1)), 'version_mismatch', '"2"'],
] as const)('config_rollback %s changes nothing', async (_what, command, code, says) => {
  const fed = await opened()
  fed.ok(configPut('k', 'one'))
  fed.ok(configPut('k', 'two'))
  const hash = fed.machine.stateHash()

  const outcome = fed.apply(command)

  expect(outcome).toMatchObject({ ok: false, code, detail: expect.stringContaining(says) })
  expect(fed.machine.stateHash()).toBe(hash)
})

test('an older cluster does not know a rollback', async () => {
  const fed = await Fed.open()
  fed.ok(configPut('k', 'one'))

  expect(fed.apply(rollback('k', 1))).toMatchObject({ ok: false, code: 'conflict' })
})

test('configVersion() agrees with a list of all that was written, over random writes', async () => {
  const fed = await opened()
  const random = prng(7)
  const written = new Map<string, string[]>()
  for (let i = 0; i < 400; i++) {
    const key = `k${random(4)}`
    const values = written.get(key) ?? []
    written.set(key, values)
    const dice = random(10)
    if (dice === 0) fed.ok(remove(key))
    else if (dice < 3 && values.length > 0) {
      const to = 1 + random(values.length)
      fed.ok(rollback(key, to))
      values.push(values[to - 1] ?? '')
    } else {
      fed.ok(configPut(key, `v${i}`))
      values.push(`v${i}`)
    }
  }
  for (const [key, values] of written) {
    expect(values.map((_, at) => textOf(fed.machine, key, at + 1))).toEqual(values)
  }
})

test('versions from before there were links are found, too', async () => {
  const fed = await Fed.open()
  for (const value of ['one', 'two']) fed.ok(configPut('k', value))
  fed.ok(remove('k'))
  fed.ok(configPut('k', 'three'))
  fed.ok({ type: 'cluster_version', version: 3 })
  for (const value of ['four', 'five']) fed.ok(configPut('k', value))

  const values = [1, 2, 3, 4, 5].map((version) => textOf(fed.machine, 'k', version))
  expect(values).toEqual(['one', 'two', 'three', 'four', 'five'])
  const history = fed.machine.configHistory(NS, 'k', { before: null, limit: 10 })
  expect(history.map(({ version }) => version)).toEqual([5, 4, 3, 2, 2, 1])
})
