/**
 * Chaos in short: what needs no package, each scenario for a few seconds, through its command line.
 * `npm run chaos -- --minutes M` is the long one, with everything.
 */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import process from 'node:process'
import { TEST_MS } from '../support/cluster.ts'
import { binary, Program, ROOT } from '../support/program.ts'
import { missing, type Need } from './machine.ts'
import { SCENARIOS } from './scenarios/mod.ts'

async function chaos(...args: readonly string[]): Promise<{ code: number | null; out: string[] }> {
  const env = { ...process.env, ROLLCALL_TEST_BINARY: binary() }
  const main = join(ROOT, 'test/chaos/main.ts')
  const program = new Program('chaos', [process.execPath, main, ...args], { env })
  try {
    return { code: await program.ended(TEST_MS), out: [...program.out, ...program.err] }
  } finally {
    program.signal('SIGTERM') // It cleans up behind itself.
  }
}

/** What each is to have done at least once. */
const SHORT: readonly (readonly [string, readonly string[], string])[] = [
  ['kills', [], 'kills'],
  ['pauses', [], 'pauses'],
  ['restarts', [], 'restarts'],
  ['links', [], 'link_faults'],
  ['members', [], 'member_changes'],
  ['snapshots', [], 'kills'],
  ['damage', [], 'damages'],
  ['sync-kills', ['--syncs', '6'], 'kills'],
  ['disk-errors', [], 'disk_faults'],
  ['full-disk', [], 'full_disks'],
  ['power-loss', [], 'power_losses'],
]

for (const [name, more, counted] of SHORT) {
  const needs = SCENARIOS.find((scenario) => scenario.name === name)?.needs ?? []
  const lacks = await lackOf(needs)
  test.skipIf(lacks)(
    `chaos: ${name}: no acknowledged write is lost, no read is stale, nobody expires early`,
    async () => {
      const { code, out } = await chaos(
        '--scenario',
        name,
        '--minutes',
        '0.04',
        '--seed',
        '1',
        ...more,
      )

      expect([code, out.join('\n')]).toEqual([0, out.join('\n')])
      expect(out.at(-1)).toMatch(/^runs=[1-9]\d* kills=\d+ .* skipped=0 violations=0$/)
      expect(out.at(-1)).toMatch(new RegExp(`\\b${counted}=[1-9]`))
    },
    TEST_MS,
  )
}

async function lackOf(needs: readonly Need[]): Promise<boolean> {
  const lacks = await Promise.all(needs.map((need) => missing(need)))
  return lacks.some((lack) => lack !== null)
}

test('chaos: wrong usage is told and is exit 2', async () => {
  const wrong = [
    [],
    ['--minutes', '0'],
    ['--minutes', 'x'],
    ['--scenario', 'none'],
    ['--seed', '-1', '--scenario', 'kills'],
    ['--scenarios', '--keep'],
    ['--what'],
  ]
  for (const args of wrong) expect([args, (await chaos(...args)).code]).toEqual([args, 2])

  const { code, out } = await chaos('--scenarios')
  expect(code).toBe(0)
  expect(out.map((line) => line.split(':')[0])).toEqual(SCENARIOS.map(({ name }) => name))
})
