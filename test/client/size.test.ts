/** What a browser or an edge worker gets: one small file that stands on web standards alone. */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

const CLIENT = join(import.meta.dirname, '../../src/client')
const GZIP_MAX = 12 * 1024

test('the client is at most 12 KiB, minified and gzipped', async () => {
  const built = await Bun.build({
    entrypoints: [join(CLIENT, 'mod.ts')],
    minify: true,
    target: 'browser',
  })
  const [file] = built.outputs
  const code = (await file?.text()) ?? ''
  const size = gzipSync(code, { level: 9 }).length
  console.log(`the client: ${code.length} bytes minified, ${size} gzipped, of at most ${GZIP_MAX}`)

  expect(built.outputs).toHaveLength(1)
  expect(code).toContain('createClient')
  expect(size).toBeLessThanOrEqual(GZIP_MAX)
})

test('the client imports nothing from outside its folder, and names no runtime', () => {
  for (const name of readdirSync(CLIENT).filter((file) => file.endsWith('.ts'))) {
    const source = readFileSync(join(CLIENT, name), 'utf8')
    const transpiler = new Bun.Transpiler({ loader: 'ts' })
    const targets = [...source.matchAll(/from '([^']+)'/g)].map(([, target]) => target ?? '')
    expect(
      targets.filter((target) => !/^\.\/[\w-]+\.ts$/.test(target) && target !== 'rollcall/client'),
      name,
    ).toEqual([])
    // `await using` is younger than the oldest runtime that is promised, and `process` is Node's.
    expect(transpiler.transformSync(source), name).not.toMatch(
      /\b(process|Bun|Deno|Buffer|require)\b|await using/,
    )
  }
})
