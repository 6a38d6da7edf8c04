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

interface Short {
  readonly title: string
  readonly args?: readonly string[]
  /** What it is to have done at least once, as the summary names it. */
  readonly counted: string
}

/** Begins with `chaos: SCENARIO: `. All are judged alike: see `judge.ts` and `beats.ts`. */
const SHORT: readonly Short[] = [
  {
    title: 'chaos: kills: whoever is killed, what was acknowledged is there, once',
    counted: 'kills',
  },
  {
    title: 'chaos: pauses: whoever stood still answers nothing from the past',
    counted: 'pauses',
  },
  {
    title: 'chaos: restarts: each node ends well on SIGTERM, and nobody expires early meanwhile',
    counted: 'restarts',
  },
  {
    title: 'chaos: links: slow, lossy, one-way, parted and broken links change no answer',
    counted: 'link_faults',
  },
  {
    title: 'chaos: members: nodes come, go and lose their disks while others are killed',
    counted: 'member_changes',
  },
  {
    title: 'chaos: snapshots: killed while it fetches and installs, a node catches up all the same',
    counted: 'kills',
  },
  {
    title: 'chaos: damage: flipped bytes are refused by name, cut, or fetched again',
    counted: 'damages',
  },
  {
    title: 'chaos: sync-kills: killed at each of its first sync calls, a node keeps its word',
    args: ['--syncs', '6'],
    counted: 'kills',
  },
  {
    title:
      'chaos: disk-errors: after a failed sync a node ends, and has acknowledged nothing by it',
    counted: 'disk_faults',
  },
  {
    title: 'chaos: full-disk: writes are refused, reads go on, room brings writes back',
    counted: 'full_disks',
  },
  {
    title: 'chaos: power-loss: of one node and of all at once, nothing acknowledged is lost',
    counted: 'power_losses',
  },
  {
    title: 'chaos: everything: kills, pauses, restarts, links and members at the same time',
    counted: 'link_faults',
  },
]

for (const { title, args = [], counted } of SHORT) {
  const name = title.split(': ')[1] ?? ''
  const scenario = SCENARIOS.find((candidate) => candidate.name === name)
  test.skipIf(await lackOf(scenario?.needs ?? []))(
    title,
    async () => {
      const chosen = ['--scenario', name, '--minutes', '0.04', '--seed', '1']
      const { code, out } = await chaos(...chosen, ...args)

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
