/**
 * Runs groups of tests with Bun and counts them so that the count cannot look better than the
 * truth: a process that died, a report that is missing, a test file that is not in the report and
 * a run without tests are all failures.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { ROOT } from './toolchain.mjs'

/** Tests that start whole clusters may wait for elections; none asserts a time. */
const TEST_MS_MAX = 120_000

/** Every test file under `test/`, as paths from the root, sorted. */
export function testFiles() {
  return readdirSync(join(ROOT, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.test\.tsx?$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath ?? entry.path, entry.name)))
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
}

/**
 * Runs `files` in one process of Bun. Answers `{passed, failed, skipped, problems}`.
 * `timeoutMs` bounds the whole group: past it the process and its children are killed.
 */
export async function runTests({ bun, files, env, timeoutMs, cwd = ROOT }) {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-tests-'))
  const report = join(folder, 'junit.xml')
  try {
    const args = ['test', `--timeout=${TEST_MS_MAX}`, '--reporter=junit']
    args.push(`--reporter-outfile=${report}`, ...files.map((file) => `./${file}`))
    const ended = await finish(bun, args, { env, timeoutMs, cwd })
    return judge({ files, ended, xml: readOrNull(report) })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What a report and an exit code say together. Exported for its own test. */
export function judge({ files, ended, xml }) {
  if (xml === null) {
    return { passed: 0, failed: 1, skipped: 0, problems: [`no report: ${ended.why}`] }
  }
  const total = attribute(xml, 'tests')
  const skipped = attribute(xml, 'skipped')
  const problems = []
  let failed = attribute(xml, 'failures') + attribute(xml, 'errors')
  const passed = Math.max(0, total - failed - skipped)
  for (const file of files) {
    if (!xml.includes(`"${file}"`)) problems.push(`${file} reported no test`)
  }
  if (ended.code !== 0 && failed === 0) problems.push(`bun test: ${ended.why}`)
  failed += problems.length
  return { passed, failed, skipped, problems }
}

function attribute(xml, name) {
  return Number(new RegExp(`<testsuites[^>]* ${name}="(\\d+)"`).exec(xml)?.[1] ?? 0)
}

function readOrNull(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null // A test process that died wrote none: the caller counts that as a failure.
  }
}

function finish(bun, args, { env, timeoutMs, cwd }) {
  return new Promise((resolve) => {
    // A group of its own, so that servers which a killed test left behind end with it.
    const options = { cwd, env: { ...process.env, ...env }, detached: true }
    const child = spawn(bun, args, { ...options, stdio: ['ignore', 'inherit', 'inherit'] })
    const killAll = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        child.kill('SIGKILL') // The group is gone already, or the platform has none.
      }
    }
    let late = false
    const timer = setTimeout(() => {
      late = true
      killAll()
    }, timeoutMs)
    const onSignal = () => {
      killAll()
      process.exit(1)
    }
    process.once('SIGINT', onSignal)
    process.once('SIGTERM', onSignal)
    const done = (code, why) => {
      clearTimeout(timer)
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      killAll()
      resolve({ code, why: late ? `not done after ${timeoutMs / 1000} s` : why })
    }
    child.on('error', (error) => done(1, error.message))
    child.on('exit', (code, signal) => {
      done(code ?? 1, signal ? `killed by ${signal}` : `exit code ${code}`)
    })
  })
}
