/** The state of a cluster that lost its quorum as the first state of a new one. */
import { expect, test } from 'bun:test'
import { openSql } from '../../src/runtime/sqlite.ts'
import { foundAnew, revisionAfterLoss, StateMachine } from '../../src/state/mod.ts'
import { commandEntry, configPut, DRIVERS, entry, instancePut, WEB } from './support.ts'

const NOW_MS = Date.UTC(2026, 5, 1)
const MEMBERSHIP = new Uint8Array([1, 2, 3])

test('the revision goes on above all that the old cluster can have reached', () => {
  expect(revisionAfterLoss(10, NOW_MS)).toBe(NOW_MS * 1_024)
  expect(revisionAfterLoss(10, 0)).toBe(10 + 2 ** 32)
  expect(revisionAfterLoss(NOW_MS * 1_024, NOW_MS)).toBe(NOW_MS * 1_024 + 2 ** 32)
  expect(revisionAfterLoss(0, 0.5)).toBe(2 ** 32)
})

test('also a second time in the same millisecond, and with a clock that went back', () => {
  let revision = 7
  for (const wallMs of [NOW_MS, NOW_MS, NOW_MS - 1e9, 0, NOW_MS + 1]) {
    const next = revisionAfterLoss(revision, wallMs)
    expect(next - revision).toBeGreaterThanOrEqual(2 ** 32)
    revision = next
  }
})

test('a clock beyond what a revision can hold is an error, not a wrong revision', () => {
  expect(() => revisionAfterLoss(1, 1e13)).toThrow('year')
})

for (const driver of DRIVERS) {
  test(`foundAnew() keeps what is there, changed at the new revision: ${driver}`, async () => {
    const sql = await openSql({ driver, path: ':memory:' })
    const old = StateMachine.open(sql)
    old.applyBatch([
      entry(1, { type: 'membership', data: new Uint8Array([9]) }),
      commandEntry(2, configPut('a', 'one')),
      commandEntry(3, configPut('a', 'two')),
      commandEntry(4, instancePut()),
    ])
    old.save()
    const at = revisionAfterLoss(old.appliedIndex, NOW_MS)
    foundAnew(sql, { index: at, term: 7, membership: MEMBERSHIP })

    const state = StateMachine.open(sql)
    expect([state.appliedIndex, state.appliedTerm, state.revision]).toEqual([at, 7, at])
    expect([state.compactedRevision, state.membershipIndex]).toEqual([at, at])
    expect(state.membershipBytes).toEqual(MEMBERSHIP)
    expect(state.stateHash()).toBe(state.recomputeHash())
    const config = state.config('default', 'a')
    expect(config).toMatchObject({ version: 2, revision: at, createdRevision: 2 })
    expect(new TextDecoder().decode(config?.value)).toBe('two')
    expect(state.instance(WEB)).toMatchObject({ id: WEB.id, revision: at })
    expect(state.serviceRevision('default', 'web')).toBe(at)

    // The old cluster may have had what is not here: nothing is older than the new one.
    expect(state.configRevision('default', 'lost')).toBe(at)
    expect(state.configPrefixRevision('default', 'lost/')).toBe(at)
    expect(state.serviceRevision('default', 'lost')).toBe(at)
    expect(state.servicesRevision('elsewhere')).toBe(at)

    state.applyBatch([{ ...commandEntry(at + 1, configPut('a', 'three')), term: 8 }])
    expect(state.config('default', 'a')).toMatchObject({ version: 3, revision: at + 1 })
    expect(state.stateHash()).toBe(state.recomputeHash())
    sql.close()
  })
}
