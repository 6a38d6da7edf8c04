/** The npm package, as its users have it: packed, installed into empty projects, and run there. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withRaisedCluster } from '../support/client.ts'
import { withCluster } from '../support/cluster.ts'
import { Program, ROOT } from '../support/program.ts'
import { until } from '../support/until.ts'
import { seenByPage } from './browser.ts'
import { addPackage, BUN, DENO, installed, node20, pack, project, run, workerd } from './tools.ts'

const TEST_MS = 120_000
const SOURCES = import.meta.dirname
const ENTRY = `import { scenario } from './scenario.ts'
console.log(JSON.stringify(await scenario(process.argv.slice(2))))
`

const folder = mkdtempSync(join(tmpdir(), 'rollcall-package-'))
/** With the package alone, and with what its server's types and users want beside it. */
const bare = join(folder, 'bare')
const full = join(folder, 'full')
const node = await node20(join(folder, 'node'))
const edge = await workerd(join(folder, 'workerd'))
const browser = Bun.which('chromium')

beforeAll(async () => {
  const archive = await pack(folder)
  await Promise.all([project(bare, archive), project(full, archive)])
  addPackage(full, 'hono')
  copyFileSync(join(SOURCES, 'scenario.ts'), join(bare, 'scenario.ts'))
  writeFileSync(join(bare, 'main.ts'), `import process from 'node:process'\n${ENTRY}`)
  copyFileSync(join(SOURCES, 'worker.ts'), join(bare, 'worker.ts'))
  // Node 20 knows no types. What is the package's stays a question to its node_modules.
  const target = ['--target=node', '--external=rollcall', '--external=rollcall/*']
  await run([BUN, 'build', 'main.ts', ...target, '--outfile=main.mjs'], bare)
}, TEST_MS)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('package: it installs nothing but itself, and holds what its manifest names', () => {
  const root = join(bare, 'node_modules/rollcall')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

  expect(installed(bare)).toEqual(['rollcall'])
  expect(manifest.private).toBeUndefined()
  expect(manifest.dependencies).toBeUndefined()
  for (const { types, default: code } of [manifest.exports['.'], manifest.exports['./client']]) {
    expect([types, existsSync(join(root, types))]).toEqual([types, true])
    expect([code, existsSync(join(root, code))]).toEqual([code, true])
  }
  for (const name of ['README.md', 'LICENSE', 'dist/npm/THIRD-PARTY-LICENSES']) {
    expect([name, existsSync(join(root, name))]).toEqual([name, true])
  }
  // The client is one file that imports nothing, of a runtime or of ours.
  const client = readFileSync(join(root, 'dist/npm/client.js'), 'utf8')
  expect(new Bun.Transpiler({ loader: 'js' }).scanImports(client)).toEqual([])
})

test.each([
  ['as a bundler resolves it', 'preserve', 'bundler'],
  ['as Node resolves it', 'nodenext', 'nodenext'],
])(
  'package: its declarations pass a strict check, %s',
  async (_, module, moduleResolution) => {
    writeFileSync(join(full, 'embed.ts'), readmeExample())
    const flags = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--types', '']
    const how = ['--target', 'es2022', '--module', module, '--moduleResolution', moduleResolution]
    const exact = ['--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
    const tsc = [BUN, join(ROOT, 'node_modules/typescript/bin/tsc'), ...flags, ...how, ...exact]

    await run([...tsc, 'scenario.ts'], bare)
    await run([...tsc, 'embed.ts'], full)
  },
  TEST_MS,
)

const RUNTIMES: readonly [string, readonly string[] | null][] = [
  ['Node 20', node === null ? null : [node]],
  ['Bun', [BUN]],
  ['Deno', [DENO, 'run', '-A']],
]

for (const [name, command] of RUNTIMES) {
  test.skipIf(command === null)(
    `package: the example of the README runs word for word on ${name}`,
    async () => {
      const data = join(full, 'rollcall-data')
      writeFileSync(join(full, 'embed.mjs'), readmeExample())
      const expected = [...readmeExample().matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line)

      const out = await run([...(command ?? []), 'embed.mjs'], full)
      rmSync(data, { recursive: true })

      expect(expected.length).toBeGreaterThan(0)
      expect(out.trimEnd().split('\n')).toEqual(expected as string[])
    },
    TEST_MS,
  )

  test.skipIf(command === null)(
    `package: the client works on ${name}`,
    withRaisedCluster({}, async (cluster) => {
      const main = name === 'Node 20' ? 'main.mjs' : 'main.ts'
      const urls = cluster.nodes.map(({ url }) => url)

      const out = await run([...(command ?? []), main, ...urls], bare)

      expect(JSON.parse(out)).toEqual(SEEN)
    }),
    TEST_MS,
  )
}

test.skipIf(edge === null)(
  'package: the client works in an edge worker',
  withRaisedCluster({}, async (cluster) => {
    const target = ['--target=browser', '--conditions=workerd', '--format=esm']
    await run([BUN, 'build', 'worker.ts', ...target, '--outfile=worker.js'], bare)
    writeFileSync(join(bare, 'worker.capnp'), WORKER_CONFIG)
    const program = new Program(
      'workerd',
      [edge ?? '', 'serve', '--control-fd=1', 'worker.capnp'],
      {
        cwd: bare,
      },
    )
    try {
      const line = await program.says('"listen"')
      const { port } = JSON.parse(line) as { readonly port: number }
      const answer = await fetch(`http://127.0.0.1:${port}/`, {
        method: 'POST',
        body: JSON.stringify(cluster.nodes.map(({ url }) => url)),
      })

      expect([answer.status, await answer.json()]).toEqual([200, SEEN])
    } finally {
      await program.kill()
    }
  }),
  TEST_MS,
)

test.skipIf(browser === null)(
  'package: the client works in a browser',
  withRaisedCluster({}, async (cluster) => {
    copyFileSync(join(SOURCES, 'page.ts'), join(bare, 'page.ts'))
    await run([BUN, 'build', 'page.ts', '--target=browser', '--outfile=page.js'], bare)
    const urls = cluster.nodes.map(({ url }) => url)

    expect(await seenByPage(browser ?? '', join(bare, 'page.js'), urls)).toEqual(SEEN)
  }),
  TEST_MS,
)

test.skipIf(node === null)(
  'package: a node within Node 20 joins a cluster of the compiled program',
  withCluster({}, async (cluster) => {
    const [contact] = cluster.nodes
    writeFileSync(join(full, 'member.mjs'), MEMBER)
    const data = join(full, 'member-data')
    const member = new Program('member', [node ?? '', 'member.mjs', contact?.url ?? '', data], {
      cwd: full,
    })
    try {
      const url = await member.says('http://')
      await until('it votes', async () => {
        const members = await cluster.members(cluster.node(0))
        return members['embedded']?.['role'] === 'voter'
      })
      const large = 'v'.repeat(200_000) // More than a socket takes at once.
      const put = await fetch(`${url}/v1/config/k?timeout=30s`, { method: 'PUT', body: large })
      const read = await cluster.node(1).get('/v1/config/k?consistency=linearizable')

      expect(put.status).toBe(201)
      expect(read.text).toBe(large)
      member.signal('SIGTERM')
      expect(await member.ended()).toBe(0)
    } finally {
      await member.kill()
    }
  }),
  TEST_MS,
)

const SEEN = {
  alone: '10.0.0.5',
  both: ['web-1', 'web-2'],
  left: ['web-2'],
  freshness: 'live',
  absent: null,
  written: 1,
  updated: 2,
  late: 'version_mismatch',
  succeeded: true,
  missing: 'invalid_request',
  heard: [1, 2, 3],
  contender: 'conflict',
  fenced: 1,
  held: true,
  tooLate: 'stale_token',
}

const WORKER_CONFIG = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "loopback", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  globalOutbound = "loopback",
);
`

const MEMBER = `import process from 'node:process'
import { createNode } from 'rollcall'

const [join, data] = process.argv.slice(2)
const node = createNode({ id: 'embedded', data, join, listen: '127.0.0.1:0' })
await node.start()
console.log(node.status().url)
process.once('SIGTERM', () => void node.stop())
`

function readmeExample(): string {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const example = /<!-- example: embed -->\n+```ts\n(.*?)```/s.exec(readme)?.[1]
  if (example === undefined) throw new Error('the README has no example of an embedded node')
  return example
}
