/** The count that CI reads cannot be green when a test process died. */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const RUNNER = join(import.meta.dirname, '../../.ci/tests.mjs')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollcall-ci-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Runs one test file with that body through the real runner, in a process of its own. */
async function count(body: string) {
  writeFileSync(join(folder, 'a.test.ts'), `import { test } from 'bun:test'\n${body}\n`)
  const script = `
    import { runTests } from ${JSON.stringify(RUNNER)}
    const bun = ${JSON.stringify(process.execPath)}
    const files = ['a.test.ts']
    const result = await runTests({ bun, files, env: {}, timeoutMs: 5_000, cwd: ${JSON.stringify(folder)} })
    console.log('\\n' + JSON.stringify(result))
    process.exit(0)`
  const child = Bun.spawn([process.execPath, '-e', script], {
    cwd: folder,
    stdin: 'ignore',
    stderr: 'ignore',
  })
  const lines = (await child.stdout.text()).trimEnd().split('\n')
  return JSON.parse(lines.at(-1) ?? '')
}

const PASSES = `test('a', () => {})`

test.each([
  ['passes', PASSES, { passed: 1, failed: 0, skipped: 0 }],
  ['is skipped', `test['skip']('a', () => {})\n${PASSES}`, { passed: 1, failed: 0, skipped: 1 }],
  [
    'fails',
    `test('a', () => { throw new Error() })\n${PASSES}`,
    { passed: 1, failed: 1, skipped: 0 },
  ],
  ['ends the process', `${PASSES}\ntest('b', () => process.exit(0))`, { passed: 0, failed: 1 }],
  ['kills the process', `test('b', () => process.kill(process.pid, 'SIGKILL'))`, { failed: 1 }],
  ['never ends', `test('b', () => { for (;;) {} })`, { passed: 0, failed: 1 }],
  ['throws between tests', `${PASSES}\nthrow new Error('while loading')`, { failed: 1 }],
  ['has no test', `export {}`, { passed: 0, failed: 1 }],
])('a test file that %s is counted so', async (_, body, counted) => {
  expect(await count(body)).toMatchObject(counted)
})

test('a file that the report does not name is a failure', async () => {
  const { judge } = (await import(RUNNER)) as { judge: (said: unknown) => unknown }
  const xml = '<testsuites tests="1" failures="0" skipped="0"><testsuite file="test/a.test.ts">'
  const ended = { code: 0, why: 'exit code 0' }

  expect(judge({ files: ['test/a.test.ts'], ended, xml })).toMatchObject({ passed: 1, failed: 0 })
  expect(judge({ files: ['test/a.test.ts', 'test/b.test.ts'], ended, xml })).toMatchObject({
    passed: 1,
    failed: 1,
    problems: ['test/b.test.ts reported no test'],
  })
})
