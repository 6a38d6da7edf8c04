/**
 * `npm test`: installs what is missing, builds the executable, runs every test, and ends with one
 * line `N passed, N failed` (and `, N skipped`). Arguments choose the test files whose path
 * contains one of them.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { runTests, testFiles } from './tests.mjs'
import { ROOT, toolchain, why } from './toolchain.mjs'

const GROUP_MS_MAX = 20 * 60_000
const BUILD_MS_MAX = 5 * 60_000
const PACKAGES_MS_MAX = 120_000
const BINARY = join(ROOT, 'dist', process.platform === 'win32' ? 'rollcall.exe' : 'rollcall')

const sum = { passed: 0, failed: 0, skipped: 0 }
try {
  await main()
} catch (error) {
  problem(error.message)
}
if (sum.passed === 0 && sum.failed === 0) problem('no test ran')
const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''
console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`)
process.exit(sum.failed > 0 ? 1 : 0)

async function main() {
  const { bun, deno } = toolchain()
  wantPackages()
  const built = spawnSync(bun, ['build.ts'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    timeout: BUILD_MS_MAX,
  })
  if (built.status !== 0) throw new Error(`the build failed: ${why(built)}`)
  const env = {
    CI: process.env.CI ?? 'true',
    ROLLCALL_TEST_BINARY: BINARY,
    ROLLCALL_TEST_DENO: deno,
  }
  for (const files of groups(process.argv.slice(2))) {
    const result = await runTests({ bun, files, env, timeoutMs: GROUP_MS_MAX })
    for (const key of Object.keys(sum)) sum[key] += result[key]
    for (const line of result.problems) console.error(`rollcall: ${line}`)
  }
}

/** One process for all that is quick; one each, in turn, for what starts processes of its own. */
function groups(words) {
  const chosen = testFiles().filter((f) => words.length === 0 || words.some((w) => f.includes(w)))
  const alone = chosen.filter((file) =>
    /^test\/(chaos\/chaos|cluster\/|deno\/|package\/)/.test(file),
  )
  const quick = chosen.filter((file) => !alone.includes(file))
  return [...(quick.length > 0 ? [quick] : []), ...alone.map((file) => [file])]
}

/** Some tests make system calls fail, or open a page. Without these they are skipped, and counted so. */
function wantPackages() {
  if (process.platform !== 'linux') return
  // A browser is large: nobody but CI is given one unasked.
  const wanted = ['strace', ...(process.env.CI === undefined ? [] : ['chromium'])]
  for (const name of wanted) if (!isThere(name)) install(name)
  for (const name of ['strace', 'chromium']) {
    if (!isThere(name)) console.error(`rollcall: ${name} is missing: its tests are skipped`)
  }
}

function isThere(program) {
  return process.env.PATH.split(delimiter).some((folder) => existsSync(join(folder, program)))
}

function install(name) {
  if (process.getuid() !== 0 || !existsSync('/usr/bin/apt-get')) return
  const wanted = ['install', '-y', '--no-install-recommends', name]
  if (!apt(...wanted) && apt('update')) apt(...wanted)
}

function apt(...args) {
  const ran = spawnSync('apt-get', ['-qq', ...args], {
    stdio: 'ignore',
    timeout: PACKAGES_MS_MAX,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  return ran.status === 0
}

function problem(text) {
  sum.failed += 1
  console.error(`rollcall: ${text}`)
}
