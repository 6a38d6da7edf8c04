/** The same server and the same WebSockets on Deno and on Node. */
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const ROOT = join(import.meta.dirname, '../..')
const FIXTURE = 'test/runtime/serve.fixture.ts'

/** Runs a program to its end and returns what it printed. */
async function run(...command: readonly string[]) {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: 'pipe', stderr: 'pipe' })
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()])
  return { code: await child.exited, out, err }
}

/** As one file of JavaScript, which is what Node 20 reads. */
async function onNode() {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-serve-'))
  try {
    const file = join(folder, 'serve.mjs')
    const build = [process.execPath, 'build', FIXTURE, '--target=node', `--outfile=${file}`]
    const built = await run(...build, '--external=bun:*', '--external=*.wasm')
    expect([built.code, built.err]).toEqual([0, ''])
    return await run('node', file)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test.each([
  ['Deno', () => run(join(ROOT, 'node_modules/.bin/deno'), 'run', '-A', FIXTURE)],
  ['Node', onNode],
] as const)(
  'serve() and dial() do the same on %s',
  async (_, program) => {
    const { code, out, err } = await program()

    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(JSON.parse(out)).toEqual({
      small: [200, '127.0.0.1 5'],
      large: [413, 'the body is too large\n'],
      smallChunks: [200, '127.0.0.1 1000'],
      largeChunks: 500,
      portInUse: 'EADDRINUSE',
      givenUp: 'cancelled',
      whole: true,
      pageAtMesh: 403,
      heard: ['n1 heard 1048576 bytes of n2', 'n2 heard 1048576 bytes of n1'],
    })
  },
  30_000,
)
