/**
 * `rollcall lock NAME -- CMD …` on the compiled program, against a node that only knows locks: what
 * runs under the lock has ended, with all that it forked, before the lock can be lost.
 */
import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { plainEnv, binary, Program } from '../support/program.ts'
import { until } from '../support/until.ts'

const TTL_MS = 3_000
const TEST_MS = 60_000

let folder = ''
let node: Program
let url = ''

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-lock-'))
  node = new Program('locks', [process.execPath, join(import.meta.dirname, 'fake-locks.ts')])
  url = await node.says('http://')
})

afterEach(async () => {
  node.resume()
  await node.kill()
  rmSync(folder, { recursive: true })
})

function lock(name: string, command: readonly string[], flags: readonly string[] = []): Program {
  const args = ['lock', name, '--endpoint', url, '--ttl', `${TTL_MS}ms`, ...flags]
  return new Program(`lock ${name}`, [binary(), ...args, '--', ...command], {
    env: { ...plainEnv(), BEATS: folder },
    cwd: folder,
  })
}

/** Four processes that ignore every request to end, and write down the time while they run. */
const STUBBORN = `
  trap '' TERM INT HUP
  beat() { while :; do date +%s%3N >> "$BEATS/$1"; sleep 0.02; done; }
  for i in 1 2 3; do (trap '' TERM INT HUP; beat $i) & done
  beat 4`
const stubborn = ['bash', '-c', STUBBORN]

/** When each of the four was last seen alive, in wall time; fewer until all have begun. */
function lastBeats(): readonly number[] {
  return readdirSync(folder).map((name) => {
    return Number(readFileSync(join(folder, name), 'utf8').trim().split('\n').at(-1))
  })
}

async function allBeat(): Promise<void> {
  await until('all four processes run', () => lastBeats().length === 4)
}

/** When the node last answered a grant or a renewal; the keeper had sent it before. */
function answeredMs(): number {
  const [, ms] = node.saying('answered ').at(-1)?.split(' ') ?? []
  return Number(ms)
}

test(
  'the exit code is that of the command, which knows its lock and its token',
  async () => {
    const script = 'echo "$ROLLCALL_LOCK $ROLLCALL_LOCK_TOKEN $ROLLCALL_ENDPOINT"; exit 7'
    const ran = lock('nightly', ['sh', '-c', script])

    expect(await ran.ended()).toBe(7)
    expect(ran.out).toEqual([`nightly 101 ${url}`])
    await node.says('released nightly ?token=101')
  },
  TEST_MS,
)

test.each([
  [['sh', '-c', 'kill -9 $$'], 137],
  [['/nowhere/program'], 127],
  [['/etc/passwd'], 126],
] as const)(
  'of %p the exit code is %p, and the lock is released',
  async (command, code) => {
    const ran = lock('codes', command)

    expect(await ran.ended()).toBe(code)
    await node.says('released codes')
  },
  TEST_MS,
)

test(
  'a lock that somebody holds is not waited for with --wait 0s, and nothing is run',
  async () => {
    const first = lock('one', ['sleep', '60'], ['--owner', 'the-first'])
    await node.says('answered')
    const second = lock('one', ['touch', join(folder, 'ran')], ['--wait', '0s'])

    expect(await second.ended()).toBe(1)
    expect(second.err.join()).toContain('the-first holds it; nothing was run')
    expect(readdirSync(folder)).toEqual([])
    first.signal('SIGTERM')
    expect(await first.ended()).toBe(143)
  },
  TEST_MS,
)

test(
  'signals are passed on to the command',
  async () => {
    const script = 'trap "echo told; exit 9" INT; echo ready; while :; do sleep 0.02; done'
    const ran = lock('signals', ['sh', '-c', script])
    await ran.says('ready')
    ran.signal('SIGINT')

    expect(await ran.ended()).toBe(9)
    expect(ran.out).toEqual(['ready', 'told'])
  },
  TEST_MS,
)

test(
  'what a command left behind in its group ends before the lock is released',
  async () => {
    const ran = lock('left', ['bash', '-c', `(${STUBBORN}) & sleep 0.5; exit 3`])

    expect(await ran.ended()).toBe(3)
    const releasedMs = Date.now()
    await node.says('released left')
    expect(Math.max(...lastBeats())).toBeLessThan(releasedMs)
    await expectSilence()
  },
  TEST_MS,
)

test(
  'with every node standing still the whole group has ended before the lock can be lost',
  async () => {
    const ran = lock('stopped', stubborn)
    await allBeat()
    await node.pause()

    expect(await ran.ended()).toBe(1)
    expect(Math.max(...lastBeats())).toBeLessThan(answeredMs() + TTL_MS)
    expect(ran.err.join()).toContain('the command was ended before it was lost')
    await expectSilence()
  },
  TEST_MS,
)

test(
  'with every node gone it is the same, and SIGTERM comes first',
  async () => {
    const script = 'trap "echo told; exit 0" TERM; echo ready; while :; do sleep 0.02; done'
    const ran = lock('gone', ['sh', '-c', script])
    await ran.says('ready')
    await node.kill()

    expect(await ran.ended()).toBe(1)
    expect(ran.out).toEqual(['ready', 'told'])
  },
  TEST_MS,
)

test(
  'a lock that was taken away ends the group at once',
  async () => {
    const ran = lock('taken', stubborn)
    await allBeat()
    await fetch(`${url}/taken`, { method: 'POST' })

    expect(await ran.ended()).toBe(1)
    expect(ran.err.join()).toContain('was lost')
    await expectSilence()
  },
  TEST_MS,
)

test.each([
  ['stopped', 'kill'],
  ['held up', 'pause'],
] as const)(
  'where the keeper itself is %s by %s its guard ends the group in time',
  async (_, what) => {
    const ran = lock('guarded', stubborn)
    await allBeat()
    await ran[what]()
    const lastMs = answeredMs()
    await until('the group has ended', () => Date.now() - Math.max(...lastBeats()) > SILENCE_MS)

    expect(Math.max(...lastBeats())).toBeLessThan(lastMs + TTL_MS)
    ran.resume()
    if (what === 'pause') expect(await ran.ended()).toBe(1)
  },
  TEST_MS,
)

/** Many times the pause between two beats of one process. */
const SILENCE_MS = 500

async function expectSilence(): Promise<void> {
  const before = lastBeats()
  await Bun.sleep(SILENCE_MS)
  expect(lastBeats()).toEqual(before)
}
