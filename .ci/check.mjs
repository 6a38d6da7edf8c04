/**
 * `npm run check`: the gate. It writes nothing: format, types, lint, quick tests.
 * `npm run fix` (`--fix`) is the only writer: it formats, and applies what the linter can.
 */
import { spawnSync } from 'node:child_process'
import { runTests, testFiles } from './tests.mjs'
import { ROOT, toolchain, why } from './toolchain.mjs'

const SOURCES = ['src', 'test', 'build.ts', '.ci', 'package.json', 'tsconfig.json']
const TESTS_MS_MAX = 10 * 60_000

const { bun, deno } = toolchain()
const tsc = ['node_modules/typescript/bin/tsc']
const oxlint = ['node_modules/oxlint/bin/oxlint']

let failures = 0
if (process.argv.includes('--fix')) {
  step('format', bun, ['fmt', ...SOURCES])
  step('lint', process.execPath, [...oxlint, '--fix', 'src', 'test', 'build.ts', '.ci'])
} else {
  step('format', bun, ['fmt', '--check', ...SOURCES])
  step('types', process.execPath, [...tsc, '--noEmit'])
  step('lint', process.execPath, [...oxlint, 'src', 'test', 'build.ts', '.ci'])
  const files = testFiles().filter(
    (file) => !/^test\/(chaos\/chaos|cluster\/|deno\/|package\/)/.test(file),
  )
  const env = { ROLLCALL_TEST_DENO: deno }
  const result = await runTests({ bun, files, env, timeoutMs: TESTS_MS_MAX })
  for (const line of result.problems) console.error(`rollcall: ${line}`)
  console.log(`${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped`)
  if (result.failed > 0 || result.passed === 0) failures += 1
}
process.exit(failures > 0 ? 1 : 0)

/** Runs one tool to its end. The others run all the same: one call shows everything. */
function step(name, command, args) {
  const done = spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] })
  if (done.status === 0) return
  failures += 1
  console.error(`rollcall: ${name}: ${why(done)}`)
}
