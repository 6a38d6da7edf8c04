import { expect, test } from 'bun:test'
import { spawn } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** Runs the fixture to its end and returns what it printed. */
function run(): Promise<{
  readonly code: number | null
  readonly out: string
  readonly err: string
}> {
  const deno = join(root, 'node_modules/.bin/deno')
  const child = spawn(deno, ['run', '-A', 'test/runtime/serve-deno.fixture.ts'], { cwd: root })
  let [out, err] = ['', '']
  child.stdout.on('data', (data) => {
    out += String(data)
  })
  child.stderr.on('data', (data) => {
    err += String(data)
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

test('serve() and dial() do the same on Deno', async () => {
  const { code, out, err } = await run()

  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(JSON.parse(out)).toEqual({
    small: [200, '127.0.0.1 5'],
    large: [413, 'the body is too large\n'],
    smallChunks: [200, '127.0.0.1 1000'],
    largeChunks: 500,
    portInUse: 'EADDRINUSE',
    pageAtMesh: 403,
    heard: ['n1 heard 1048576 bytes of n2', 'n2 heard 1048576 bytes of n1'],
  })
}, 30_000)
