import { expect, test } from 'bun:test'
import type { CommandOf } from '../../src/state/mod.ts'
import { configPut, Fed, match, stagePut, WALL_START_MS } from './support.ts'

const EU = new Map([['zone', 'eu']])
const US = new Map([['zone', 'us']])
const NOBODY = new Map<string, string>()

async function fed3(): Promise<Fed> {
  const fed = await Fed.open()
  fed.ok({ type: 'cluster_version', version: 3 })
  return fed
}

function promote(
  change: Partial<CommandOf<'config_stage_promote'>> = {},
): CommandOf<'config_stage_promote'> {
  const name = { ns: 'default', key: 'app', stage: 'canary', by: null }
  const free = { stageRevision: null, comment: null, expect: null }
  return { type: 'config_stage_promote', ...name, ...free, ...change }
}

function abort(
  change: Partial<CommandOf<'config_stage_delete'>> = {},
): CommandOf<'config_stage_delete'> {
  const name = { ns: 'default', key: 'app', stage: 'canary', by: null, expect: null }
  return { type: 'config_stage_delete', ...name, ...change }
}

/** What a caller with these labels can tell of the key. */
function view({ machine }: Fed, labels: ReadonlyMap<string, string>) {
  const stage = machine.stages.seenBy('default', 'app', labels)
  const config = machine.config('default', 'app')
  const value = stage?.value ?? config?.value
  return {
    value: value === undefined ? null : new TextDecoder().decode(value),
    stage: stage?.stage ?? null,
    revision: machine.stages.revisionFor('default', 'app', labels),
  }
}

test('a stage is seen by those who match, and by nobody else in any way', async () => {
  const fed = await fed3()
  fed.ok(configPut('app', 'one'))
  const before = fed.machine.config('default', 'app')

  expect(fed.apply(stagePut({ by: 'ann', comment: 'try' }))).toEqual({
    ok: true,
    revision: 3,
    created: true,
    result: {
      type: 'stage',
      stage: {
        ns: 'default',
        key: 'app',
        stage: 'canary',
        rule: 'zone=eu',
        contentType: 'text/plain',
        baseVersion: 1,
        size: 6,
        comment: 'try',
        updatedBy: 'ann',
        revision: 3,
        createdRevision: 3,
        createdAtMs: WALL_START_MS + 3,
        updatedAtMs: WALL_START_MS + 3,
      },
    },
  })
  expect(fed.topics()).toEqual(['stages/app'])
  expect(view(fed, EU)).toEqual({ value: 'staged', stage: 'canary', revision: 3 })
  for (const outsider of [US, NOBODY]) {
    expect(view(fed, outsider)).toEqual({ value: 'one', stage: null, revision: 2 })
  }
  expect(fed.machine.config('default', 'app')).toEqual(before)
  expect(fed.machine.configPrefixRevision('default', 'a')).toBe(2)
})

test('a key that does not exist may have a stage, and comes into being by its promotion', async () => {
  const fed = await fed3()
  fed.ok(stagePut())
  expect(fed.machine.config('default', 'app')).toBeNull()
  expect(view(fed, EU)).toEqual({ value: 'staged', stage: 'canary', revision: 2 })
  expect(view(fed, US)).toEqual({ value: null, stage: null, revision: 0 })

  expect(fed.apply(promote())).toMatchObject({
    created: true,
    result: { type: 'config', config: { version: 1, revision: 3, size: 6 } },
  })
  expect(fed.topics()).toEqual(['config/app', 'stages/app'])
  expect(view(fed, US)).toEqual({ value: 'staged', stage: null, revision: 3 })
  expect(fed.machine.stages.of('default', 'app')).toEqual([])
})

test('a promotion does not undo in silence what was written meanwhile', async () => {
  const fed = await fed3()
  fed.ok(configPut('app', 'one'))
  fed.ok(stagePut())
  fed.ok(configPut('app', 'fix'))

  expect(fed.apply(promote())).toMatchObject({ code: 'version_mismatch', current: 2 })
  expect(fed.machine.stages.of('default', 'app')).toHaveLength(1)
  expect(fed.apply(promote({ expect: match(1) }))).toMatchObject({ code: 'version_mismatch' })
  expect(fed.apply(promote({ expect: match(2), comment: 'go' }))).toMatchObject({
    created: false,
    result: { config: { version: 3 } },
  })
})

test('a promotion is of the bytes that were looked at', async () => {
  const fed = await fed3()
  const looked = fed.ok(stagePut())
  fed.ok(stagePut({ text: 'other' }))
  expect(fed.apply(promote({ stageRevision: looked }))).toMatchObject({ code: 'conflict' })
  expect(fed.apply(promote({ stageRevision: looked + 1 }))).toMatchObject({ ok: true })
  expect(view(fed, NOBODY).value).toBe('other')
  expect(fed.apply(promote())).toMatchObject({ code: 'not_found' })
})

test('an abort wakes those who had the value, and leaves no trace for others', async () => {
  const fed = await fed3()
  fed.ok(configPut('app', 'one'))
  const staged = fed.ok(stagePut())

  expect(fed.apply(abort({ expect: match(1) }))).toMatchObject({ current: staged })
  const ended = fed.ok(abort())
  expect(view(fed, EU)).toEqual({ value: 'one', stage: null, revision: ended })
  expect(view(fed, US)).toEqual({ value: 'one', stage: null, revision: 2 })
  expect(fed.apply(abort())).toMatchObject({ ok: true, created: false })
  expect(fed.topics()).toEqual([])
})

test('another rule is a change for those of the old one and of the new one alone', async () => {
  const fed = await fed3()
  const first = fed.ok(stagePut())
  const second = fed.ok(stagePut({ rule: 'zone=us' }))
  const third = fed.ok(stagePut({ rule: 'zone=ap' }))

  expect(view(fed, EU)).toEqual({ value: null, stage: null, revision: second })
  expect(view(fed, US)).toEqual({ value: null, stage: null, revision: third })
  expect(view(fed, new Map([['zone', 'ap']]))).toMatchObject({ value: 'staged', revision: third })
  expect(view(fed, NOBODY)).toMatchObject({ revision: 0 })
  expect(first).toBeLessThan(second)
})

test('of several stages that match, the first by name is given', async () => {
  const fed = await fed3()
  fed.ok(stagePut({ stage: 'b', text: 'b' }))
  fed.ok(stagePut({ stage: '10', text: '10', rule: 'zone=us' }))
  expect(view(fed, EU)).toMatchObject({ stage: 'b' })
  fed.ok(stagePut({ stage: 'a', text: 'a' }))
  expect(view(fed, EU)).toMatchObject({ stage: 'a', value: 'a' })
  expect(fed.machine.stages.of('default', 'app').map(({ stage }) => stage)).toEqual([
    '10',
    'a',
    'b',
  ])
})

test('a key has at most 16 stages, and marks of at most 64 rules', async () => {
  const fed = await fed3()
  for (let i = 0; i < 16; i++) fed.ok(stagePut({ stage: `s${i}` }))
  expect(fed.apply(stagePut({ stage: 'more' }))).toMatchObject({ code: 'conflict' })
  fed.ok(stagePut({ stage: 's3', text: 'again' }))
  for (let i = 0; i < 100; i++) fed.ok(stagePut({ stage: 's3', rule: `zone=z${i}` }))
  expect(fed.machine.recomputeHash()).toBe(fed.machine.stateHash())
  // The oldest are forgotten: who matched them alone is not told a revision any more.
  expect(view(fed, new Map([['zone', 'z10']])).revision).toBe(0)
  expect(view(fed, new Map([['zone', 'z98']])).revision).toBe(fed.machine.revision)
})

test('stages are listed by key and name, a whole key at a time', async () => {
  const fed = await fed3()
  for (const key of ['app/b', 'app/a', 'z']) {
    for (const stage of ['two', 'one']) fed.ok(stagePut({ key, stage }))
  }
  const list = (after: string | null, limit: number) =>
    fed.machine.stages
      .list('default', { prefix: 'app/', after, limit })
      .map(({ key, stage }) => `${key} ${stage}`)
  expect(list(null, 1)).toEqual(['app/a one', 'app/a two'])
  expect(list('app/a', 9)).toEqual(['app/b one', 'app/b two'])
})

test('an older cluster refuses what its members do not all know', async () => {
  const fed = await Fed.open()
  expect(fed.apply(stagePut())).toMatchObject({ ok: false, code: 'conflict' })
  expect(fed.machine.stages.of('default', 'app')).toEqual([])
})
