/** Starts that must not succeed: one clear line, the right exit code, and nothing changed on disk. */
import { expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { TEST_MS, withCluster } from '../support/cluster.ts'
import { binary, Program, run } from '../support/program.ts'
import { until } from '../support/until.ts'
import { digests } from '../support/wal-file.ts'

/** What an operator reads, and nothing else. */
function oneLine(err: string): string {
  expect(err.trim().split('\n')).toHaveLength(1)
  expect(err).not.toMatch(/\n\s+at /)
  return err
}

function inFolder(body: (folder: string) => Promise<void>): () => Promise<void> {
  return async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-start-'))
    try {
      await body(folder)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

test(
  'cluster: a second process on one data directory: exit 3, and the first goes on',
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    await node.put('/v1/config/k', 'v')
    const elsewhere = node.args.with(node.args.indexOf('--listen') + 1, '127.0.0.1:0')
    const { code, err } = await run(elsewhere)

    expect(code).toBe(3)
    expect(oneLine(err)).toContain('in use')
    expect(err).toContain(node.dataDir)
    expect((await node.put('/v1/config/k', 'w')).status).toBe(200)

    // The lock ends with the process, however that ends.
    await node.process.kill()
    node.start()
    await node.ready()
    expect((await node.get('/v1/config/k')).text).toBe('w')
  }),
  TEST_MS,
)

test(
  "cluster: a data directory under another node's id: exit 3, and the directory is left alone",
  withCluster({ size: 1 }, async (cluster) => {
    const node = cluster.node(0)
    await node.put('/v1/config/k', 'v')
    await node.process.kill()
    const before = digests(join(node.dataDir, 'log'))
    const { code, err } = await run(node.args.with(node.args.indexOf('--id') + 1, 'n9'))

    expect(code).toBe(3)
    expect(oneLine(err)).toContain('n1')
    expect(err).toContain('n9')
    expect(err).toContain('--id')
    expect(digests(join(node.dataDir, 'log'))).toEqual(before)
    node.start()
    await node.ready()
    expect((await node.get('/v1/config/k')).text).toBe('v')
  }),
  TEST_MS,
)

test(
  'cluster: an id that nobody gave is made, stored, and found again',
  withCluster({ size: 1, start: false }, async (cluster) => {
    const node = cluster.node(0)
    const args = node.args.toSpliced(node.args.indexOf('--id'), 2)
    node.start(args)
    await node.ready()
    const id = (await node.status())['id'] as string
    await node.process.kill()
    node.start(args)
    await node.ready()

    expect(id).toMatch(/^node-[0-9a-f]{8}$/)
    expect((await node.status())['id']).toBe(id)
  }),
  TEST_MS,
)

test(
  'cluster: a port in use: exit 1, and nothing is made on disk',
  inFolder(async (folder) => {
    const held = createServer()
    await new Promise<void>((resolve) => held.listen({ host: '127.0.0.1', port: 0 }, resolve))
    try {
      const address = held.address()
      const port = typeof address === 'object' ? address?.port : null
      const data = join(folder, 'data')
      const taken = `127.0.0.1:${port}`
      for (const [flag, ...more] of [
        ['--listen', taken],
        ['--peer-listen', taken, '--listen', '127.0.0.1:0'],
      ] as const) {
        const { code, err } = await run(['serve', flag, ...more, '--data', data])

        expect(code).toBe(1)
        expect(oneLine(err)).toContain(`cannot listen on ${taken}: the port is in use`)
        expect(err).toContain(`choose another with ${flag}`)
        expect(existsSync(data)).toBe(false)
      }
    } finally {
      await new Promise((done) => held.close(done))
    }
  }),
  TEST_MS,
)

test(
  'cluster: a data directory that cannot be made: exit 1, and nothing is changed',
  inFolder(async (folder) => {
    const file = join(folder, 'file')
    writeFileSync(file, 'no folder')
    for (const data of [join(file, 'data'), file]) {
      const { code, err } = await run(['serve', '--listen', '127.0.0.1:0', '--data', data])

      expect(code).toBe(1)
      expect(oneLine(err)).toContain(data)
      expect(digests(folder)).toEqual(digests(folder))
      expect(readdirSync(folder)).toEqual(['file'])
    }
  }),
  TEST_MS,
)

// To the superuser every directory is writable.
test.skipIf(process.getuid?.() === 0)(
  'cluster: an unwritable data directory: exit 1, and nothing is changed',
  inFolder(async (folder) => {
    const data = join(folder, 'data')
    mkdirSync(data)
    chmodSync(data, 0o500)
    const { code, err } = await run(['serve', '--listen', '127.0.0.1:0', '--data', data])

    expect(code).toBe(1)
    expect(oneLine(err)).toContain('cannot be written')
    expect(readdirSync(data)).toEqual([])
  }),
  TEST_MS,
)

test(
  'cluster: a directory that holds something else than a log is not founded over',
  inFolder(async (folder) => {
    const data = join(folder, 'data')
    mkdirSync(join(data, 'log'), { recursive: true })
    writeFileSync(join(data, 'CURRENT'), 'state-7.db\n')
    const { code, err } = await run(['serve', '--listen', '127.0.0.1:0', '--data', data])

    expect(code).toBe(3)
    expect(oneLine(err)).toContain('state-7.db')
    expect(readdirSync(join(data, 'log'))).toEqual([])
  }),
  TEST_MS,
)

test(
  'cluster: wrong usage: exit 2, one line that names the fault, and nothing is made on disk',
  inFolder(async (folder) => {
    const data = join(folder, 'data')
    const serve = (...more: string[]) => ['serve', '--data', data, ...more]
    const cases: readonly (readonly [readonly string[], string])[] = [
      [['serv'], 'serve'],
      [serve('--lisen', '127.0.0.1:0'), '--listen'],
      [serve('--listen', '127.0.0.1:99999'), '--listen'],
      [serve('--listen', '0.0.0.0:0'), '--advertise'],
      [serve('--heartbeat', '100'), '--heartbeat'],
      [serve('--election-timeout', '100ms..150ms'), '--heartbeat'],
      [serve('--id', 'a b'), '--id'],
      [serve('--cluster', 'n1=http://127.0.0.1:1'), '--id'],
      [serve('--sqlite', 'oracle'), '--sqlite'],
      [serve('--config', join(folder, 'missing.json')), 'missing.json'],
      [serve('--role', 'learner'), '--role'],
    ]
    for (const [args, named] of cases) {
      const { code, err, out } = await run(args)

      expect([args, code]).toEqual([args, 2])
      expect(err).toContain(named)
      expect(out).toBe('')
      expect(err).not.toContain('    at ')
    }
    expect(existsSync(data)).toBe(false)
  }),
  TEST_MS,
)

test(
  'cluster: the executable serves with an empty PATH, and heeds no .env and no bunfig.toml',
  inFolder(async (folder) => {
    writeFileSync(join(folder, '.env'), 'ROLLCALL_ID=from-env-file\nROLLCALL_LOG_FORMAT=text\n')
    writeFileSync(join(folder, 'bunfig.toml'), 'preload = ["./preload.ts"]\n')
    writeFileSync(join(folder, 'preload.ts'), "require('node:fs').writeFileSync('preloaded', '')\n")
    const node = new Program('alone', [binary(), 'serve', '--listen', '127.0.0.1:0'], {
      env: { PATH: '' },
      cwd: folder,
    })
    try {
      const said = JSON.parse(await node.says('"listening"')) as Record<string, string>
      const url = said['url'] ?? ''
      await until('it is ready', async () => (await fetch(`${url}/readyz`)).status === 200)
      const put = await fetch(`${url}/v1/config/k`, { method: 'PUT', body: 'v' })
      node.signal('SIGTERM')

      expect(put.status).toBe(201)
      expect(said['id']).not.toBe('from-env-file')
      expect(await node.ended()).toBe(0)
      expect(readdirSync(folder).sort()).toEqual([
        '.env',
        'bunfig.toml',
        'preload.ts',
        'rollcall-data',
      ])
    } finally {
      await node.kill()
    }
  }),
  TEST_MS,
)
