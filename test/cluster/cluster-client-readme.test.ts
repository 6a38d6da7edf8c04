/** The client's example in README.md, run as it stands but for where things are here. */
import { expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { TEST_MS } from '../support/cluster.ts'
import { plainEnv, Program, ROOT } from '../support/program.ts'
import { withRaisedCluster } from '../support/client.ts'

test(
  'readme: the client',
  withRaisedCluster({ size: 1 }, async (cluster) => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
    const example = /<!-- example: client -->\n+```ts\n(.*?)```/s.exec(readme)?.[1] ?? ''
    const door = pathToFileURL(join(ROOT, 'src/client/mod.ts')).href
    const program = example
      .replace("'rollcall/client'", `'${door}'`)
      .replace('http://127.0.0.1:7400', cluster.node(0).url)
    const folder = mkdtempSync(join(tmpdir(), 'rollcall-readme-'))
    try {
      const file = join(folder, 'example.ts')
      writeFileSync(file, program)
      const ran = new Program('example', [process.execPath, file], { env: plainEnv() })

      expect([await ran.ended(), ran.err]).toEqual([0, []])
      expect(ran.out).toEqual(
        Array.from(example.matchAll(/^\/\/ → (.*)$/gm), ([, line = '']) => line),
      )
      expect(ran.out.length).toBeGreaterThan(1)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }),
  TEST_MS,
)
