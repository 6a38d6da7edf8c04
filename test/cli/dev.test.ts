/** `rollcall dev` with nodes that only listen: what it starts, says, and leaves behind. */
import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { FAKE, reader, run, start } from './support.ts'

const DEV = ['dev', '--listen', '127.0.0.1:0']

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false // There is none.
  }
}

/** Asks them rather than the system: a process that nobody waited for still has its id. */
async function silent(urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    while (
      await fetch(url).then(
        () => true,
        () => false,
      )
    )
      await Bun.sleep(10)
  }
}

/** Process ids of the table's rows, by node. */
function pidsIn(guide: string): Map<string, number> {
  const rows = [...guide.matchAll(/^(n\d+) +\S+ +(\d+) /gm)]
  return new Map(rows.map((row) => [row[1] ?? '', Number(row[2])]))
}

test('starts three nodes, prints lines to try, and stops all at SIGTERM', async () => {
  const child = start([...DEV, '--log-level', 'info'], { program: FAKE })
  const err = reader(child.stderr)
  const guide = await reader(child.stdout).until(/kill -9 \d+\n/)
  const pids = pidsIn(guide)

  child.kill('SIGTERM')
  await child.exited

  expect([...pids.keys()]).toEqual(['n1', 'n2', 'n3'])
  expect(guide).toMatch(/^n1 .* leader /m)
  expect(guide).toMatch(
    /^curl -X PUT http:\/\/127\.0\.0\.1:\d+\/v1\/services\/web\/instances\/web-1 /m,
  )
  expect(guide).toContain(`kill -9 ${pids.get('n1')}`)
  const said = await err.rest()
  const folder = /data in (\S+) \(temporary/.exec(said)?.[1] ?? ''
  expect(folder).toStartWith(tmpdir())
  expect(existsSync(folder)).toBe(false)
  expect(said).toContain('n2 | ')
  expect(said).not.toContain(' ended: ')
  expect(child.exitCode).toBe(0)
  expect([...pids.values()].filter(isRunning)).toEqual([])
})

test('says that a node died, and goes on; its children end even when it is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-cli-'))
  const child = start([...DEV, '--data', folder], { program: FAKE })
  try {
    const err = reader(child.stderr)
    const guide = await reader(child.stdout).until(/kill -9 \d+\n/)
    const pids = pidsIn(guide)
    process.kill(pids.get('n2') ?? 0, 'SIGKILL')
    await err.until(/n2 ended: killed by SIGKILL\n/)
    expect(isRunning(pids.get('n1') ?? 0)).toBe(true)

    child.kill('SIGKILL')
    await child.exited

    await silent([...guide.matchAll(/^n\d+ +(\S+) /gm)].map((row) => row[1] ?? ''))
    expect(existsSync(folder)).toBe(true)
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})

test('its nodes do not inherit variables that are meant for it', async () => {
  const child = start([...DEV, '--nodes', '1'], {
    program: FAKE,
    env: { ROLLCALL_ADVERTISE: 'http://elsewhere:1', ROLLCALL_LOG_FORMAT: 'json' },
  })
  const err = reader(child.stderr)
  await reader(child.stdout).until(/status --endpoint/)

  child.kill('SIGINT')
  await child.exited

  expect(child.exitCode).toBe(0)
  expect(await err.rest()).toMatch(/^\{"time":.*"message":"fake node"/m)
})

test('a port in use ends it with exit code 1 before anything is started', async () => {
  const server = Bun.serve({ hostname: '127.0.0.1', port: 0, fetch: () => new Response() })
  const ran = await run(['dev', '--nodes', '1', '--listen', `127.0.0.1:${server.port}`], {
    program: FAKE,
  })

  expect(ran.err).toBe(
    `rollcall: --listen: port ${server.port} is in use; give another one with --listen\n`,
  )
  expect(ran.out).toBe('')
  expect(ran.code).toBe(1)
  await server.stop(true)
})

test('a node that cannot start ends it with exit code 1, and says why', async () => {
  const env = { FAKE_NODE: 'refused' }
  const ran = await run([...DEV, '--nodes', '2'], { program: FAKE, env })

  expect(ran.err).toContain('n1 | rollcall: the data directory is in use\n')
  expect(ran.err).toMatch(/^rollcall: n[12] ended: exit code 3$/m) // Whichever is first.
  expect(ran.err).toContain('a node ended before the cluster was ready')
  expect(ran.out).toBe('')
  expect(ran.code).toBe(1)
})
