/** What shells are offered: judged by asking the program, and by running the shells themselves. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { cleanEnv, PROGRAM, run } from './support.ts'

/** A node that lists two services and a few keys, and nothing else. */
const node = Bun.serve({
  hostname: '127.0.0.1',
  port: 0,
  fetch: (request) => {
    const { pathname, searchParams } = new URL(request.url)
    const prefix = searchParams.get('prefix') ?? ''
    const keys = ['app/db/url', 'app/db/user', 'app/motd', 'other'].filter((key) =>
      key.startsWith(prefix),
    )
    if (pathname === '/v1/config') return Response.json({ items: keys.map((key) => ({ key })) })
    return Response.json({ services: [{ name: 'web' }, { name: 'web-admin' }] })
  },
})
const env = { ROLLCALL_ENDPOINT: node.url.origin }
const folder = mkdtempSync(join(tmpdir(), 'rollcall-completion-'))

beforeAll(() => {
  const program = join(folder, 'rollcall')
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`)
  chmodSync(program, 0o755)
})

afterAll(async () => {
  rmSync(folder, { recursive: true })
  await node.stop(true)
})

test.each([
  [['config', 'ro'], ['rollback']],
  [
    ['config', 'stage', 'p'],
    ['put', 'promote'],
  ],
  [['help', 'config', 'stage', 'a'], ['abort']],
  [
    ['completion', ''],
    ['bash', 'zsh', 'fish'],
  ],
  [['member', 'with'], ['withdraw']],
  [
    ['status', '--output', ''],
    ['table', 'json'],
  ],
  [['status', '--output', '=', 'j'], ['json']],
  [['import', '--from', 'c'], ['consul']],
  [
    ['serve', '--clu'],
    ['--cluster', '--cluster-secret-file'],
  ],
  [['config', 'get', '--vers'], ['--version']],
  [['config', 'get', '--version', '2', '--vers'], []],
  [['service', 'register', '--tag', 'a', '--ta'], ['--tag']],
  [['config', 'put', 'app/motd', ''], [':files']],
  [['config', 'import', '--dry-run', ''], [':files']],
  [
    ['config', 'get', 'app/'],
    ['app/db/', 'app/motd', ':nospace'],
  ],
  [
    ['config', 'get', 'app/db/u'],
    ['app/db/url', 'app/db/user'],
  ],
  [
    ['service', 'get', 'w'],
    ['web', 'web-admin'],
  ],
  [
    ['watch', 'serv'],
    ['services', 'services/', ':nospace'],
  ],
  [['watch', 'services', 'config/app/m'], ['config/app/motd']],
  [
    ['lock', 'nightly', '--'],
    ['--endpoint', '--'],
  ],
  [
    ['lock', 'nightly', '--', 'ba'],
    [':commands', ':files'],
  ],
  [['serve', 'x'], []],
  [['nonsense', 'x'], []],
])('%p is offered %p', async (words, expected) => {
  const ran = await run(['__complete', '--', ...words], { env })

  const offered = ran.out.split('\n').filter((line) => line !== '')
  const names = offered.map((line) => line.split('\t')[0])
  if (words.at(-1) === '--') expect(names).toEqual(expect.arrayContaining(expected))
  else expect(names).toEqual(expected)
  expect([ran.code, ran.err]).toEqual([0, ''])
})

test('where no node answers, names are not offered, and nothing is said', async () => {
  const ran = await run(['__complete', '--', 'config', 'get', ''], {
    env: { ROLLCALL_ENDPOINT: 'http://127.0.0.1:1' },
  })

  expect(ran).toEqual({ code: 0, out: '', err: '' })
})

/** Runs `script` in a shell whose path begins with our program. */
async function shell(command: readonly string[], script: string): Promise<string> {
  const child = Bun.spawn([...command, script], {
    cwd: folder,
    env: { ...cleanEnv(env), PATH: `${folder}:${process.env['PATH']}`, HOME: folder },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    timeout: 60_000,
  })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  expect([await child.exited, err]).toEqual([0, ''])
  return out.trim()
}

const BASH = (words: string, current: number) => `
  source <(rollcall completion bash)
  COMP_WORDS=(${words}) COMP_CWORD=${current}
  _rollcall
  printf '%s\\n' "\${COMPREPLY[@]}"`

test.each([
  ['rollcall config stage pro', 3, 'promote'],
  ['rollcall config get app/', 3, 'app/db/\napp/motd'],
  ['rollcall status --output = t', 4, 'table'],
  ['rollcall config put app/motd roll', 4, 'rollcall'], // The file that lies there.
])('bash completes %p', async (words, current, expected) => {
  expect(await shell(['bash', '-c'], BASH(words, current))).toBe(expected)
})

test('bash knows which function completes rollcall', async () => {
  const script = 'source <(rollcall completion bash); complete -p rollcall'

  expect(await shell(['bash', '-c'], script)).toBe('complete -F _rollcall rollcall')
})

/** `compadd` of zsh tells a completion's words only within its line editor: here it prints them. */
const ZSH = (words: string, current: number) => `
  compdef() { :; }
  compadd() { print -l -- $lines; }
  _files() { print -l -- *; }
  source <(rollcall completion zsh)
  words=(${words}) CURRENT=${current}
  _rollcall`

const hasZsh = Bun.which('zsh') !== null
if (!hasZsh) console.log('zsh is not installed: its completion is not run')
for (const [words, current, expected] of [
  ['rollcall config stage pro', 4, 'promote'],
  ['rollcall config get app/', 4, 'app/db/\napp/motd'],
] as const) {
  if (!hasZsh) break
  test(`zsh completes ${words}`, async () => {
    expect(await shell(['zsh', '-f', '-c'], ZSH(words, current))).toBe(expected)
  })
}

const hasFish = Bun.which('fish') !== null
if (!hasFish) console.log('fish is not installed: its completion is not run')
for (const [line, expected] of [
  ['rollcall config stage pro', 'promote\tmake the staged value a version, for everybody'],
  ['rollcall config get app/m', 'app/motd'],
] as const) {
  if (!hasFish) break
  test(`fish completes ${line}`, async () => {
    const script = `rollcall completion fish | source; complete -C '${line}'`

    expect(await shell(['fish', '--no-config', '-c'], script)).toBe(expected)
  })
}
