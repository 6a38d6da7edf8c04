/** `rollcall dev` with real nodes: the cluster that a newcomer meets first. */
import { expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { TEST_MS } from '../support/cluster.ts'
import { shell } from '../support/curl-lines.ts'
import { binary, Program } from '../support/program.ts'
import { until } from '../support/until.ts'

const LOOPBACK = '127.0.0.1:0'

interface Row {
  readonly id: string
  readonly url: string
  readonly pid: number
  readonly role: string
  readonly data: string
}

/** Waits for the guide, and reads its table. */
async function rowsOf(dev: Program): Promise<readonly Row[]> {
  await dev.says('kill -9')
  const rows = dev.out.flatMap((line) => {
    const [id = '', url = '', pid, role = '', data = ''] = line.split(/ +/)
    return /^n\d$/.test(id) ? [{ id, url, pid: Number(pid), role, data }] : []
  })
  expect(rows.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3'])
  return rows
}

/** One that has ended may keep its number until its parent asks: then it is a zombie. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    if (process.platform !== 'linux') return false
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.startsWith('Z') ?? false
  } catch {
    return true // There is no such process any more.
  }
}

async function allGone(rows: readonly Row[]): Promise<void> {
  for (const { id, pid, url } of rows) {
    await until(`${id} is gone`, () => isGone(pid))
    const answer = await fetch(`${url}/livez`).catch(() => null)
    expect([id, answer]).toEqual([id, null])
  }
}

test(
  'cluster: dev: starts three nodes, prints lines that work, and Ctrl-C ends them all',
  async () => {
    const dev = new Program('dev', [binary(), 'dev', '--listen', LOOPBACK])
    try {
      const rows = await rowsOf(dev)
      const lines = dev.out.filter((line) => line.startsWith('curl '))
      const answers = []
      for (const line of lines) answers.push(await shell(line))

      expect(rows.filter(({ role }) => role === 'leader')).toHaveLength(1)
      expect(lines).toHaveLength(5)
      expect(answers.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0])
      expect(answers.map(({ said }) => said).join('\n')).not.toContain('/problems/')
      expect(answers[1]?.said).toContain('"address":"10.0.0.5"')
      expect(answers[4]?.said).toContain('hello')
      expect(existsSync(rows[0]!.data)).toBe(true)

      dev.signal('SIGINT')
      expect(await dev.ended()).toBe(0)
      await allGone(rows)
      expect(rows.map(({ data }) => existsSync(data))).toEqual([false, false, false])
    } finally {
      await dev.kill()
    }
  },
  TEST_MS,
)

test(
  'cluster: dev: one node killed as the guide says: the others go on; a killed dev takes all along',
  async () => {
    const data = mkdtempSync(join(tmpdir(), 'rollcall-dev-test-')) // Nobody else would remove it.
    const dev = new Program('dev', [binary(), 'dev', '--listen', LOOPBACK, '--data', data])
    try {
      const rows = await rowsOf(dev)
      const victim = rows.find(({ role }) => role === 'leader')!
      const other = rows.find((row) => row !== victim)
      const line = dev.out.find((each) => each.startsWith('kill -9 '))!
      expect(line).toBe(`kill -9 ${victim.pid}`)
      await shell(line)
      await dev.says(`${victim.id} ended`)

      const put = await fetch(`${other!.url}/v1/config/k?timeout=30s`, { method: 'PUT', body: 'v' })
      expect(put.status).toBe(201)

      dev.signal('SIGKILL')
      await allGone(rows)
    } finally {
      await dev.kill()
      rmSync(data, { recursive: true, force: true })
    }
  },
  TEST_MS,
)
