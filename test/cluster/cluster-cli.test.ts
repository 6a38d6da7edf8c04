/** The command line of the compiled program against a cluster of it. */
import { expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TEST_MS, withCluster } from '../support/cluster.ts'
import type { Cluster } from '../support/cluster.ts'
import { binary, plainEnv, Program, run } from '../support/program.ts'
import { until } from '../support/until.ts'

/** Runs a command that may ask any node. */
async function rollcall(cluster: Cluster, args: readonly string[]) {
  return await run(args, { env: environment(cluster) })
}

function environment(cluster: Cluster): Record<string, string> {
  return { ...plainEnv(), ROLLCALL_ENDPOINT: cluster.nodes.map(({ url }) => url).join(',') }
}

test(
  'cluster: cli: a value is written, read, refused, listed and deleted, also without its leader',
  withCluster({}, async (cluster) => {
    const put = (value: string, version: number) =>
      rollcall(cluster, [
        'config',
        'put',
        'app/motd',
        '--value',
        value,
        '--if-version',
        `${version}`,
      ])

    expect(await put('hello', 0)).toEqual({ code: 0, out: 'app/motd is at version 1', err: '' })
    expect(await put('again', 0)).toMatchObject({ code: 1, out: '' })
    const leader = await cluster.leader()
    await leader.process.kill()
    expect((await put('without', 1)).out).toBe('app/motd is at version 2')
    expect(await rollcall(cluster, ['config', 'get', 'app/motd'])).toEqual({
      code: 0,
      out: 'without',
      err: '',
    })
    const missed = await rollcall(cluster, ['config', 'get', 'app/mtod'])
    expect(missed.err).toContain('did you mean "app/motd"?')
    const list = await rollcall(cluster, ['config', 'list', 'app/', '--output', 'json'])
    expect(JSON.parse(list.out)).toMatchObject({
      items: [{ key: 'app/motd', version: 2, size: 7 }],
    })
    expect((await rollcall(cluster, ['config', 'delete', 'app/motd'])).code).toBe(0)
    expect((await rollcall(cluster, ['config', 'list'])).err).toBe('no keys')
  }),
  TEST_MS,
)

test(
  'cluster: cli: versions, stages, schemas, exports and imports go their way through the command line',
  withCluster({ size: 1 }, async (cluster) => {
    const said = async (...args: readonly string[]) => {
      const { code, out, err } = await rollcall(cluster, args)
      expect([args, code, err]).toEqual([args, 0, err])
      return out
    }
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-cli-'))
    try {
      await said('config', 'put', 'app/a', '--value', 'one\ntwo\n', '--comment', 'first')
      await said('config', 'put', 'app/a', '--value', 'one\n2\n')
      expect(await said('config', 'history', 'app/a')).toContain('first')
      expect(await said('config', 'diff', 'app/a')).toContain('-two\n+2')
      expect(await said('config', 'rollback', 'app/a', '1')).toBe('app/a is at version 3, as in 1')
      expect(await said('config', 'get', 'app/a', '--version', '2')).toBe('one\n2')

      await said('config', 'stage', 'put', 'app/a', 'canary', '--value', 'new', '--rule', 'zone=eu')
      expect(await said('config', 'get', 'app/a', '--labels', 'zone=eu')).toBe('new')
      expect(await said('config', 'get', 'app/a')).toBe('one\ntwo')
      expect(await said('config', 'stage', 'list', 'app/a')).toContain('zone=eu')
      await said('config', 'stage', 'promote', 'app/a', 'canary')
      expect(await said('config', 'get', 'app/a')).toBe('new')

      await said('config', 'schema', 'put', 'strict/', '--value', '{"type":"object"}')
      expect(await said('config', 'schema', 'list')).toContain('strict/')
      const misfit = await rollcall(cluster, ['config', 'put', 'strict/a.json', '--value', '[]'])
      expect(misfit).toMatchObject({ code: 1, out: '' })
      expect(await said('config', 'schema', 'get', 'strict/')).toBe('{"type":"object"}')
      await said('config', 'schema', 'delete', 'strict/')

      const archive = join(folder, 'app.ndjson')
      writeFileSync(archive, `${await said('config', 'export', 'app/')}\n`)
      expect(await said('config', 'import', archive, '--prefix', 'copy/')).toContain('copy/app/a')
      expect(await said('config', 'get', 'copy/app/a')).toBe('new')
      const consul = join(folder, 'kv.json')
      writeFileSync(consul, '[{"key":"kv/x","flags":0,"value":"aGVsbG8="}]')
      await said('import', '--from', 'consul', consul, '--dry-run')
      expect((await rollcall(cluster, ['config', 'get', 'kv/x'])).code).toBe(1)
      await said('import', '--from', 'consul', consul)
      expect(await said('config', 'get', 'kv/x')).toBe('hello')
    } finally {
      rmSync(folder, { recursive: true })
    }
  }),
  TEST_MS,
)

test(
  'cluster: cli: a registered instance outlives its leader, is drained, and goes with its keeper',
  withCluster({}, async (cluster) => {
    const flags = ['--address', '10.0.0.5', '--port', '8080', '--ttl', '2s', '--zone', 'eu']
    const keeper = new Program(
      'register',
      [binary(), 'service', 'register', 'web', 'web-1', ...flags],
      { env: environment(cluster) },
    )
    try {
      await keeper.says('keeping web-1 of web alive')
      const leader = await cluster.leader()
      await leader.process.kill()
      await cluster.leader(cluster.others(leader))
      const drain = ['service', 'drain', 'web', 'web-1', '--reason', 'deploy']
      expect((await rollcall(cluster, drain)).out).toStartWith('web-1 of web is draining')
      const found = await rollcall(cluster, ['service', 'get', 'web'])
      expect(found.out).toContain('draining (declares up)')
      expect((await rollcall(cluster, [...drain.slice(0, 4), '--undo'])).code).toBe(0)
      const [, line = ''] = (await rollcall(cluster, ['service', 'list'])).out.split('\n')
      expect(line.trim().split(/ +/)).toEqual(['web', '1', '1'])

      keeper.signal('SIGINT')
      expect(await keeper.ended()).toBe(0)
      expect((await rollcall(cluster, ['service', 'get', 'web'])).out).toBe('')
    } finally {
      await keeper.kill()
    }
  }),
  TEST_MS,
)

test(
  'cluster: cli: a key vanishes with its lease',
  withCluster({ size: 1 }, async (cluster) => {
    const { out: lease } = await rollcall(cluster, ['lease', 'grant', '--ttl', '60s'])
    await rollcall(cluster, ['config', 'put', 'here', '--value', 'x', '--lease', lease])

    expect((await rollcall(cluster, ['lease', 'get', lease])).out).toContain('here')
    expect((await rollcall(cluster, ['lease', 'renew', lease])).out).toContain('is renewed for 1m')
    expect((await rollcall(cluster, ['lease', 'revoke', lease])).code).toBe(0)
    await until('the key is gone', async () => {
      return (await rollcall(cluster, ['config', 'get', 'here'])).code === 1
    })
    expect((await rollcall(cluster, ['lease', 'get', lease])).code).toBe(1)
  }),
  TEST_MS,
)

test(
  'cluster: cli: a watch goes on at another node when its own is killed: each change once, in order',
  withCluster({}, async (cluster) => {
    const watcher = new Program(
      'watch',
      [binary(), 'watch', 'config/w/*', '--values', '--output', 'json', '--since', '0'],
      { env: environment(cluster) },
    )
    const put = (n: number) => rollcall(cluster, ['config', 'put', 'w/key', '--value', `${n}`])
    try {
      for (let n = 1; n <= 3; n++) expect((await put(n)).code).toBe(0)
      await watcher.says('"value":"3"')
      const [first, ...others] = cluster.nodes
      // One after the other: whichever it follows, it has to move at least once.
      await first?.process.kill()
      await cluster.leader(others)
      for (let n = 4; n <= 6; n++) expect((await put(n)).code).toBe(0)
      first?.start()
      await first?.ready()
      await others[0]?.process.kill()
      await cluster.leader(cluster.nodes.filter((node) => node !== others[0]))
      for (let n = 7; n <= 9; n++) expect((await put(n)).code).toBe(0)
      await watcher.says('"value":"9"')

      const values = watcher.out.map((line) => JSON.parse(line).data.value)
      expect(values).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
      watcher.signal('SIGINT')
      expect(await watcher.ended()).toBe(0)
    } finally {
      await watcher.kill()
    }
  }),
  TEST_MS,
)

test(
  'cluster: cli: with every node standing still, what ran under a lock ends before the next holder begins',
  withCluster({}, async (cluster) => {
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-cli-lock-'))
    const env = { ...environment(cluster), FOLDER: folder }
    const lock = (name: string, script: string) =>
      new Program(
        name,
        [binary(), 'lock', 'job', '--ttl', '3s', '--owner', name, '--', 'bash', '-c', script],
        {
          env,
        },
      )
    // It ignores every request to end, and so does what it forks.
    const stubborn = `trap '' TERM INT HUP
      beat() { while :; do date +%s%3N >> "$FOLDER/$1"; sleep 0.02; done; }
      (trap '' TERM INT HUP; beat forked) & echo "token $ROLLCALL_LOCK_TOKEN"; beat first`
    const first = lock('first', stubborn)
    let second: Program | null = null
    try {
      await first.says('token ')
      await until('both processes run', () => readdirSync(folder).length === 2)
      second = lock('second', 'date +%s%3N; echo "token $ROLLCALL_LOCK_TOKEN"')
      await until('the second one waits', async () => {
        const list = await rollcall(cluster, ['lock', 'get', 'job'])
        return list.out.includes('waits')
      })
      for (const node of cluster.nodes) await node.process.pause()
      expect(await first.ended()).toBe(1)
      for (const node of cluster.nodes) node.process.resume()

      expect(await second.ended()).toBe(0)
      const lastMs = Math.max(...['first', 'forked'].map((name) => lastLine(join(folder, name))))
      const [beganMs = 0] = second.out.map(Number)
      expect(lastMs).toBeLessThan(beganMs)
      expect(tokenOf(second)).toBeGreaterThan(tokenOf(first))
    } finally {
      for (const node of cluster.nodes) node.process.resume()
      await Promise.all([first.kill(), second?.kill()])
      rmSync(folder, { recursive: true })
    }
  }),
  TEST_MS,
)

function lastLine(path: string): number {
  return Number(readFileSync(path, 'utf8').trim().split('\n').at(-1))
}

function tokenOf(program: Program): number {
  return Number(program.saying('token ')[0]?.split(' ')[1])
}
