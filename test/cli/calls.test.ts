/**
 * The commands of users against a node that is scripted: what they ask of it, and what they make of
 * its answers. What a real cluster makes of them: `test/cluster/cli.test.ts`.
 */
import { afterAll, afterEach, beforeEach, expect, test } from 'bun:test'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { cleanEnv, PROGRAM, run } from './support.ts'
import type { Ran } from './support.ts'

interface Asked {
  readonly line: string
  readonly headers: Headers
  readonly body: string
}

type Script = Readonly<Record<string, (asked: Asked) => Response>>

let script: Script = {}
let asked: Asked[] = []
let folder = ''

const node = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: async (request) => {
    const { pathname, search } = new URL(request.url)
    const line = `${request.method} ${pathname}${search}`
    const call = { line, headers: request.headers, body: await request.text() }
    asked.push(call)
    const answer = script[line] ?? script[`${request.method} ${pathname}`]
    return answer?.(call) ?? problem(404, 'not_found', `nothing is scripted for ${line}`)
  },
})

function problem(status: number, code: string, detail: string, more: object = {}): Response {
  const body = { status, code, detail, outcome: 'not_applied', ...more }
  return Response.json(body, { status, headers: { 'content-type': 'application/problem+json' } })
}

beforeEach(() => {
  script = {}
  asked = []
  folder = mkdtempSync(join(tmpdir(), 'rollcall-calls-'))
})
afterEach(() => rmSync(folder, { recursive: true }))
afterAll(() => node.stop(true))

function rollcall(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return run(args, { env: { ROLLCALL_ENDPOINT: node.url.origin, TMPDIR: folder, ...env } })
}

function file(name: string, text: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const VALUE = (text: string, version: number) => () =>
  new Response(text, { headers: { etag: `"${version}"`, 'content-type': 'text/plain' } })
const WRITTEN = (version: number) => () =>
  Response.json({ key: 'a', version, revision: 10 + version })

test('config get writes the bytes as they are', async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
  script = { 'GET /v1/config/app%2Flogo': () => new Response(bytes, { headers: { etag: '"3"' } }) }
  const child = Bun.spawn([process.execPath, PROGRAM, 'config', 'get', 'app/logo'], {
    env: { ...cleanEnv(), ROLLCALL_ENDPOINT: node.url.origin },
    stdout: 'pipe',
  })

  expect(await child.stdout.bytes()).toEqual(bytes)
  expect(await child.exited).toBe(0)
})

test('config get --output json tells text from bytes', async () => {
  script = { 'GET /v1/config/a': VALUE('hi\n', 3) }
  const text = await rollcall(['config', 'get', 'a', '--output', 'json'])
  script = {
    'GET /v1/config/a': () => new Response(Uint8Array.of(255), { headers: { etag: '"3"' } }),
  }
  const bytes = await rollcall(['config', 'get', 'a', '--output', 'json'])

  expect(JSON.parse(text.out)).toEqual({
    key: 'a',
    version: 3,
    contentType: 'text/plain',
    value: 'hi\n',
  })
  expect(JSON.parse(bytes.out)).toMatchObject({ version: 3, valueBase64: '/w==' })
})

test('config get passes the version, the labels and the namespace on', async () => {
  script = { 'GET /v1/config/a?version=2': VALUE('old', 2) }
  const args = [
    'config',
    'get',
    'a',
    '--version',
    '2',
    '--labels',
    'zone=eu',
    '--namespace',
    'team',
  ]
  const ran = await rollcall(args, { ROLLCALL_TOKEN: 'secret' })

  expect(ran).toEqual({ code: 0, out: 'old', err: '' })
  const [first] = asked
  expect(first?.headers.get('rollcall-labels')).toBe('zone=eu')
  expect(first?.headers.get('rollcall-namespace')).toBe('team')
  expect(first?.headers.get('authorization')).toBe('Bearer secret')
})

test('a key that does not exist names the nearest one beside it', async () => {
  script = {
    'GET /v1/config/app%2Fmtd': () => problem(404, 'not_found', 'there is no config key "app/mtd"'),
    'GET /v1/config': () => Response.json({ items: [{ key: 'app/motd' }, { key: 'app/other' }] }),
  }
  const ran = await rollcall(['config', 'get', 'app/mtd'])

  expect(ran.err).toBe('rollcall: there is no config key "app/mtd"; did you mean "app/motd"?\n')
  expect(ran.code).toBe(1)
})

test('of a key that exists no other one is named, where a version of it does not', async () => {
  script = {
    'GET /v1/config/app%2Fmotd': () => problem(404, 'not_found', 'there is no version 9'),
    'GET /v1/config': () => Response.json({ items: [{ key: 'app/motd' }, { key: 'app/mote' }] }),
  }
  const ran = await rollcall(['config', 'get', 'app/motd', '--version', '9'])

  expect(ran.err).toBe('rollcall: there is no version 9\n')
})

test.each([
  [['--value', 'x'], { 'if-match': null, 'if-none-match': null, 'content-type': null }],
  [['--value', 'x', '--if-version', '3'], { 'if-match': '"3"' }],
  [['--value', 'x', '--if-version', '0'], { 'if-none-match': '*' }],
  [['--value', 'x', '--fence', 'a=1', '--fence', 'b=2'], { 'rollcall-lock': 'a=1, b=2' }],
  [['--value', 'x', '--type', 'yaml'], { 'content-type': 'application/yaml' }],
  [['--value', 'x', '--type', 'image/png'], { 'content-type': 'image/png' }],
])('config put %p sends %p', async (flags, headers) => {
  script = { 'PUT /v1/config/a': WRITTEN(4) }
  const ran = await rollcall(['config', 'put', 'a', ...flags])

  expect(ran).toEqual({ code: 0, out: 'a is at version 4\n', err: '' })
  for (const [name, value] of Object.entries(headers)) {
    expect(asked[0]?.headers.get(name) ?? null, name).toBe(value)
  }
  expect(asked[0]?.headers.get('idempotency-key')).toMatch(/^.{8,}$/)
})

test('config put takes a file, or standard input', async () => {
  script = { 'PUT /v1/config/a': WRITTEN(1) }
  await rollcall(['config', 'put', 'a', file('v', 'from a file')])
  const child = Bun.spawn([process.execPath, PROGRAM, 'config', 'put', 'a', '-'], {
    env: { ...cleanEnv(), ROLLCALL_ENDPOINT: node.url.origin },
    stdin: new TextEncoder().encode('from a pipe'),
    stdout: 'pipe',
  })

  expect(await child.exited).toBe(0)
  expect(asked.map(({ body }) => body)).toEqual(['from a file', 'from a pipe'])
})

test('a write that came too late says what is there', async () => {
  script = {
    'PUT /v1/config/a': () => problem(412, 'version_mismatch', 'not at version 3', { current: 5 }),
  }
  const ran = await rollcall(['config', 'put', 'a', '--value', 'x', '--if-version', '3'])

  expect(ran.err).toBe('rollcall: a is not at version 3 but at version 5; nothing was written\n')
  expect(ran.code).toBe(1)
})

test('a write whose outcome is not known says so', async () => {
  const unknown = { outcome: 'unknown' }
  script = {
    'PUT /v1/config/a': () => problem(504, 'outcome_unknown', 'leadership was lost', unknown),
  }
  const ran = await rollcall(['config', 'put', 'a', '--value', 'x', '--timeout', '300ms'])

  expect(ran.err).toContain('whether it was applied is not known: look before you repeat it')
  expect(ran.code).toBe(1)
})

const item = (key: string) => ({ key, version: 1, contentType: 'text/plain', size: 2_048 })

test('config list asks for page after page, and hostile names move no cursor', async () => {
  script = {
    'GET /v1/config?prefix=x&limit=1000': () =>
      Response.json({ revision: 5, items: [item('x1')], next: 'c1' }),
    'GET /v1/config?prefix=x&limit=1000&cursor=c1': () =>
      Response.json({ revision: 6, items: [item('x2\u001b[2J')] }),
  }
  const ran = await rollcall(['config', 'list', 'x'])

  expect(ran.out).toBe(
    'KEY          VERSION  TYPE        SIZE     UPDATED  BY\n' +
      'x1           1        text/plain  2.0 KiB  -        -\n' +
      'x2\\u001b[2J  1        text/plain  2.0 KiB  -        -\n',
  )
})

test('config diff of a file shows what putting it would change', async () => {
  script = { 'GET /v1/config/a': VALUE('one\ntwo\nthree\n', 7) }
  const path = file('new', 'one\n2\nthree\n')
  const ran = await rollcall(['config', 'diff', 'a', path])

  expect(ran.out).toBe(`--- a (version 7)\n+++ ${path}\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n`)
  expect(await rollcall(['config', 'diff', 'a', file('same', 'one\ntwo\nthree\n')])).toEqual({
    code: 0,
    out: '',
    err: 'no difference\n',
  })
})

test('config diff without versions is of the last change', async () => {
  script = {
    'GET /v1/config-history/a': () => Response.json({ versions: [{ version: 9 }, { version: 8 }] }),
    'GET /v1/config-diff/a': () => new Response('--- a\n+++ a\n@@ -1 +1 @@\n-x\n+y\n'),
  }

  expect((await rollcall(['config', 'diff', 'a'])).out).toBe('--- a\n+++ a\n@@ -1 +1 @@\n-x\n+y\n')
  expect(asked.at(-1)?.line).toBe('GET /v1/config-diff/a?from=8&to=9')
  await rollcall(['config', 'diff', 'a', '4'])
  expect(asked.at(-1)?.line).toBe('GET /v1/config-diff/a?from=4&to=9')
  await rollcall(['config', 'diff', 'a', '4', '6'])
  expect(asked.at(-1)?.line).toBe('GET /v1/config-diff/a?from=4&to=6')
})

/** An editor that does `lines` to the file it is given. */
function editor(lines: string): { readonly EDITOR: string; readonly VISUAL: string } {
  const path = file('editor', `#!/bin/sh\n${lines}\n`)
  chmodSync(path, 0o755)
  return { EDITOR: path, VISUAL: '' }
}

test('config edit writes what was edited, against the version it began with', async () => {
  script = { 'GET /v1/config/a': VALUE('old\n', 3), 'PUT /v1/config/a': WRITTEN(4) }
  const ran = await rollcall(['config', 'edit', 'a'], editor('echo new > "$1"'))

  expect(ran).toEqual({ code: 0, out: 'a is at version 4\n', err: '' })
  expect(asked[1]?.headers.get('if-match')).toBe('"3"')
  expect(asked[1]?.body).toBe('new\n')
})

test('config edit without a change writes nothing', async () => {
  script = { 'GET /v1/config/a': VALUE('old\n', 3) }

  expect((await rollcall(['config', 'edit', 'a'], editor('true'))).out).toBe(
    'a: nothing was changed\n',
  )
  expect(asked).toHaveLength(1)
})

test.each([
  ['somebody was faster', () => problem(412, 'version_mismatch', 'late', { current: 5 })],
  ['the value is refused', () => problem(422, 'schema_violation', 'port must be a number')],
  ['no leader is known', () => problem(503, 'no_leader', 'no leader')],
])('config edit keeps what was typed where %s, and says where', async (_, refusal) => {
  script = {
    'GET /v1/config/app%2Fdb.yaml': VALUE('old\n', 3),
    'PUT /v1/config/app%2Fdb.yaml': refusal,
  }
  const args = ['config', 'edit', 'app/db.yaml', '--timeout', '300ms']
  const ran = await rollcall(args, editor('echo mine > "$1"'))

  const [, kept = ''] = /What you wrote is in (\S+)/.exec(ran.err) ?? []
  expect(kept).toEndWith('/db.yaml')
  expect(readFileSync(kept, 'utf8')).toBe('mine\n')
  expect(ran.code).toBe(1)
})

test('config edit keeps what was typed where the editor fails', async () => {
  script = { 'GET /v1/config/a': VALUE('old\n', 3) }
  const ran = await rollcall(['config', 'edit', 'a'], editor('echo mine > "$1"; exit 4'))

  const [, kept = ''] = /What you wrote is in (\S+)/.exec(ran.err) ?? []
  expect(readFileSync(kept, 'utf8')).toBe('mine\n')
  expect(ran.err).toContain('it ended with 4')
})

test('stages are put, promoted and withdrawn', async () => {
  script = {
    'PUT /v1/config-stages/a/canary': () => Response.json({ key: 'a', stage: 'canary' }),
    'POST /v1/config-stages/a/canary/promote': WRITTEN(6),
    'DELETE /v1/config-stages/a/canary': () => new Response(null, { status: 204 }),
  }
  const stage = ['config', 'stage']
  await rollcall([...stage, 'put', 'a', 'canary', '--value', 'v', '--rule', 'zone=eu;percent=10'])
  const promoted = await rollcall([...stage, 'promote', 'a', 'canary'])
  await rollcall([...stage, 'abort', 'a', 'canary'])

  expect(asked[0]?.headers.get('rollcall-stage-rule')).toBe('zone=eu;percent=10')
  expect(promoted.out).toBe('a is at version 6, from canary\n')
  expect(asked.map(({ line }) => line.split(' ')[0])).toEqual(['PUT', 'POST', 'DELETE'])
})

test('config import leaves no link of a folder out in silence', async () => {
  mkdirSync(join(folder, 'in/..data'), { recursive: true })
  file('in/..data/motd', 'hello')
  symlinkSync('..data', join(folder, 'in/.now'))
  symlinkSync('..data/motd', join(folder, 'in/motd'))
  const ran = await rollcall(['config', 'import', join(folder, 'in'), '--prune', 'app/'])

  expect(ran.err).toContain(`${join(folder, 'in/motd')} is a link or a device, not a file`)
  expect(asked).toEqual([])
  expect(ran.code).toBe(1)
})

test('config import sends a folder as lines, without what is hidden', async () => {
  const to = { contentType: 'text/plain', size: 5 }
  const counts = { created: 1, changed: 0, deleted: 0, unchanged: 4 }
  const items = [{ change: 'created', key: 'x', to }]
  script = { 'POST /v1/config-import': () => Response.json({ ...counts, items }) }
  mkdirSync(join(folder, 'in/app'), { recursive: true })
  file('in/app/motd', 'hello')
  file('in/app/bytes', Uint8Array.of(255))
  file('in/.hidden', 'no')
  const ran = await rollcall([
    'config',
    'import',
    join(folder, 'in'),
    '--dry-run',
    '--prefix',
    'p/',
  ])

  expect(asked[0]?.line).toBe('POST /v1/config-import?dryRun=true')
  expect(
    asked[0]?.body
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { key: 'p/app/bytes', valueBase64: '/w==' },
    { key: 'p/app/motd', value: 'hello' },
  ])
  expect(ran.out).toBe('CHANGE   KEY  FROM VERSION  SIZE\ncreated  x                  5 B\n')
  expect(ran.err).toBe(
    'rollcall: .hidden is left out: its name begins with a dot\n' +
      '1 created, 0 changed, 0 deleted, 4 unchanged; nothing was written\n',
  )
})

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('import --from etcd sends what etcdctl wrote, and names what it cannot', async () => {
  script = { 'POST /v1/config-import': () => Response.json({ items: [] }) }
  const kvs = ['/app/motd', 'a//b'].map((key) => ({ key: base64(key), value: base64('hello') }))
  const ran = await rollcall([
    'import',
    '--from',
    'etcd',
    file('kv.json', JSON.stringify({ header: {}, kvs })),
  ])
  const bad = await rollcall(['import', '--from', 'consul', file('bad.json', '{')])

  expect(ran.code).toBe(0)
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ key: 'app/motd', value: 'hello' })
  expect(ran.err).toContain('rollcall: a//b is left out: its name must not have an empty segment\n')
  expect(bad.err).toContain(
    'bad.json: it is not JSON, as "consul kv export" writes it; nothing was',
  )
  expect([bad.code, asked.length]).toEqual([1, 1])
})

test('config import tries again, under another key, where something was written meanwhile', async () => {
  let left = 2
  script = {
    'POST /v1/config-import': () =>
      left-- > 0
        ? problem(409, 'conflict', 'keys were written meanwhile')
        : Response.json({ items: [] }),
  }
  const ran = await rollcall([
    'config',
    'import',
    file('in', '{"key":"a","value":"x"}\n'),
    '--prune',
    'a',
  ])

  expect(ran.code).toBe(0)
  expect(asked.map(({ line }) => line)).toEqual(
    Array.from({ length: 3 }, () => 'POST /v1/config-import?prune=true&prefix=a'),
  )
  expect(new Set(asked.map(({ headers }) => headers.get('idempotency-key'))).size).toBe(3)
})

test('service drain is the word about an instance, or about a host', async () => {
  script = {
    'PUT /v1/services/web/instances/web-1/override': () => Response.json({ status: 'draining' }),
    'DELETE /v1/nodes/host-7/override': () => new Response(null, { status: 204 }),
  }
  const drained = await rollcall(['service', 'drain', 'web', 'web-1', '--reason', 'deploy'])
  const undone = await rollcall(['service', 'drain', '--node', 'host-7', '--undo'])

  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({ status: 'draining', reason: 'deploy' })
  expect([drained.code, undone.code]).toEqual([0, 0])
  expect(undone.out).toBe('everything on host-7 counts as it declares itself\n')
})

test('service register takes a file, and flags win over it', async () => {
  script = { 'PUT /v1/services/web/instances/w1': ({ body }) => Response.json(JSON.parse(body)) }
  const path = file('instance.json', '{"address":"10.0.0.1","port":80,"ports":{"admin":81}}')
  const flags = [
    '--file',
    path,
    '--port',
    '8080',
    '--tag',
    'a',
    '--tag',
    'b',
    '--metadata',
    'v=1=2',
  ]
  const ran = await rollcall([
    'service',
    'register',
    'web',
    'w1',
    ...flags,
    '--ttl',
    '30s',
    '--once',
  ])

  expect(ran.code).toBe(0)
  expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
    address: '10.0.0.1',
    port: 8080,
    ports: { admin: 81 },
    tags: ['a', 'b'],
    metadata: { v: '1=2' },
    ttl: '30s',
  })
})

test('an empty service is pointed out where another is nearly called so', async () => {
  script = {
    'GET /v1/services/wbe': () => Response.json({ service: 'wbe', instances: [] }),
    'GET /v1/services': () => Response.json({ services: [{ name: 'web' }] }),
  }
  const ran = await rollcall(['service', 'get', 'wbe'])

  expect(ran).toEqual({
    code: 0,
    out: '',
    err: 'no instance of wbe is to be shown; did you mean "web"?\n',
  })
})

test('watch writes an event a line, and an object a line for programs', async () => {
  const events =
    'event: config.put\ndata: {"key":"a","version":2,"revision":7}\nid: 7\n\n' +
    'event: cut\ndata: {"code":"node_stopping","revision":7}\n\n'
  script = {
    'GET /v1/watch': ({ line }) =>
      line.includes('since=7')
        ? problem(410, 'revision_compacted', 'too old', { oldest: 9 })
        : new Response(events, { headers: { 'content-type': 'text/event-stream' } }),
  }
  const text = await rollcall(['config', 'watch', 'a', '--since', '1'])
  const json = await rollcall(['config', 'watch', 'a', '--since', '1', '--output', 'json'])

  expect(text.out.trim().split(/ {2,}/)).toEqual(['7', 'config.put', 'a', 'version=2'])
  expect(json.out).toBe(
    '{"event":"config.put","revision":7,"data":{"key":"a","version":2,"revision":7}}\n',
  )
  expect(json.err).toContain('too old')
  expect(json.code).toBe(1)
})

const MISTAKES: readonly (readonly [readonly string[], readonly string[]])[] = [
  [['config', 'get'], ['config get needs a KEY, such as app/motd']],
  [
    ['config', 'gte', 'a'],
    ['config cannot "gte"', 'did you mean "get"?'],
  ],
  [['config'], ['config needs an action: get, put, edit']],
  [['config', 'get', '/a'], ['config get: KEY "/a" must not have an empty segment']],
  [['config', 'put', 'a', '--if-version', 'x'], ['--if-version: "x" is not a whole number']],
  [['config', 'put', 'a', '--value', 'x', '--type', 'jsn'], ['--type: "jsn" is none of json']],
  [['config', 'put', 'a', '--values', 'x'], ['did you mean "--value"?']],
  [['config', 'stage', 'put', 'a', 'b'], ['config stage put needs --rule']],
  [['config', 'schema', 'put'], ['config schema put needs a PREFIX, such as app/']],
  [['config', 'schema'], ['config schema needs an action: put, list, get, delete']],
  [['service', 'register', 'web'], ['needs an ID, such as web-1']],
  [['service', 'register', 'web', 'w1'], ['needs --address']],
  [['service', 'drain', 'web'], ['needs a SERVICE and an ID']],
  [['watch', 'servces'], ['did you mean "services"?']],
  [['watch'], ['watch needs a TOPIC']],
  [['lock'], ['lock needs an action: list, get, release; or rollcall lock NAME -- CMD …']],
  [
    ['lock', 'nightly'],
    ['lock cannot "nightly": list, get, release; or rollcall lock NAME -- CMD …'],
  ],
  [['lock', 'nightly', '--'], ['lock needs a CMD behind "--"']],
  [['lock', 'a', '--ttl', '10s', '--grace', '6s', '--', 'true'], ['--grace: 6s is more than half']],
  [['lock', 'a', '--lease', 'l1', '--', 'true'], ['--lease belongs to config put']],
  [['lock', 'release', 'a'], ['needs --token']],
  [['completion', 'bsh'], ['did you mean "bash"?']],
]

test.each(MISTAKES)('%p is refused: %s', async (args, lines) => {
  const ran = await rollcall(args)

  for (const line of lines) expect(ran.err).toContain(line)
  expect(asked).toEqual([])
  expect([ran.code, ran.out]).toEqual([2, ''])
})

test('a variable says where the nodes are, and never what one call is to do', async () => {
  script = { 'PUT /v1/config/a': WRITTEN(4) }
  const ran = await rollcall(['config', 'put', 'a', '--value', 'x'], { ROLLCALL_IF_VERSION: '3' })

  expect(ran.code).toBe(0)
  expect(asked[0]?.headers.get('if-match')).toBeNull()
})

test('where nothing listens, that is said at once, of every endpoint', async () => {
  const ran = await rollcall(['config', 'list', '--endpoint', 'http://127.0.0.1:1,http://[::1]:1'])

  expect(ran.err).toStartWith('rollcall: nothing answers at http://127.0.0.1:1, http://[::1]:1: ')
  expect(ran.code).toBe(1)
})
