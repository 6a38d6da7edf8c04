/** The compiled executable, alone in an empty folder. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const ROOT = join(import.meta.dirname, '..')

let folder = ''
let binary = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-build-'))
  binary = join(folder, 'rollcall')
  const env = { ...process.env, ROLLCALL_VERSION: '9.8.7', ROLLCALL_COMMIT: 'abc' }
  const built = Bun.spawnSync([process.execPath, 'build.ts', '--outfile', binary], {
    cwd: ROOT,
    env,
  })
  expect(built.stderr.toString()).not.toContain('error')
  expect(built.exitCode).toBe(0)
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(...args: readonly string[]) {
  const cwd = mkdtempSync(join(folder, 'empty-'))
  // What a compiled program would read by default: variables, and code.
  writeFileSync(join(cwd, '.env'), 'ROLLCALL_OUTPUT=json\n')
  writeFileSync(join(cwd, 'bunfig.toml'), 'preload = ["./preload.ts"]\n')
  writeFileSync(join(cwd, 'preload.ts'), "require('node:fs').writeFileSync('preloaded', '')\n")
  writeFileSync(join(cwd, 'package.json'), '{ "type": "commonjs", "name": "stranger" }\n')
  const ran = Bun.spawnSync([binary, ...args], { cwd, env: { PATH: '' }, stdin: 'ignore' })
  return { code: ran.exitCode, out: ran.stdout.toString(), err: ran.stderr.toString(), cwd }
}

test('build: the executable runs with an empty PATH and carries its version and commit', () => {
  const ran = run('version', '--output', 'json')

  expect(JSON.parse(ran.out)).toEqual({
    version: '9.8.7',
    commit: 'abc',
    compiled: true,
    runtime: `bun ${Bun.version}`,
  })
  expect(ran.code).toBe(0)
})

test('build: the executable reads no .env and runs no preload of the folder it is started in', () => {
  const ran = run('version')

  expect(ran.out).toBe(`rollcall 9.8.7 (commit abc, bun ${Bun.version})\n`)
  expect(existsSync(join(ran.cwd, 'preloaded'))).toBe(false)
})

test('build: the executable explains itself and refuses what it does not know', () => {
  const help = run('help', 'serve')
  const wrong = run('serve', '--lisen', 'x')

  expect(help.out).toContain('--wal-segment')
  expect(help.code).toBe(0)
  expect(wrong.err).toContain('did you mean "--listen"?')
  expect(wrong.code).toBe(2)
})
