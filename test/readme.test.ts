/** The lines of README.md and GUIDE.md, word for word, against what `rollcall dev` starts. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { freePorts, TEST_MS } from './support/cluster.ts'
import { scripts, shell } from './support/curl-lines.ts'
import { binary, plainEnv, Program, ROOT } from './support/program.ts'

const README = join(ROOT, 'README.md')
const GUIDE = join(ROOT, '.github/GUIDE.md')
/** Where the documents' cluster listens, and where ours does if those are taken. */
const PORTS = [7400, 7401, 7402]

const readme = scriptsOf(README)
const guide = scriptsOf(GUIDE)

test('readme: it has lines to try', () => {
  const commands = [...readme.values()].flat().map(({ command }) => command)

  expect(commands.filter((command) => command.startsWith('curl')).length).toBeGreaterThan(2)
})

test('readme: a name stands for one script in both documents', () => {
  expect([...guide.keys()].filter((name) => readme.has(name))).toEqual([])
})

for (const [name, steps] of [...readme, ...guide]) {
  test(
    `readme: ${name}`,
    async () => {
      const first = await firstPort()
      const dev = new Program('dev', [binary(), 'dev', '--listen', `127.0.0.1:${first}`])
      try {
        await dev.says('kill -9')
        for (const { command, expected } of steps) {
          // Exactly what a reader types, but for the ports where theirs are taken here.
          const typed = PORTS.reduce(
            (text, port, i) => text.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${first + i}`),
            command,
          )
          const { code, said } = await shell(typed, readerEnv(first))

          expect([command, code, said]).toEqual([command, 0, said])
          for (const text of expected) expect(said).toContain(text)
        }
      } finally {
        dev.signal('SIGTERM')
        await dev.ended()
      }
    },
    TEST_MS,
  )
}

test('scripts() joins the blocks of one name and pairs commands with what they print', () => {
  const text = [
    '<!-- test: start -->\n```sh\ncurl -X PUT x \\\n  -d y\n# → {"a":1}\n# → b\n\n# a remark',
    'curl z\n```\nprose\n```sh\nnot run\n```\n<!-- test: start -->\n\n```sh\necho 3\n```',
  ].join('\n')

  expect([...scripts(text)]).toEqual([
    [
      'start',
      [
        { command: 'curl -X PUT x \\\n  -d y', expected: ['{"a":1}', 'b'] },
        { command: 'curl z', expected: [] },
        { command: 'echo 3', expected: [] },
      ],
    ],
  ])
  expect(() => scripts('<!-- test: a -->\nprose\n```sh\nx\n```')).toThrow('1 tags, but 0')
  expect(() => scripts('<!-- test: a -->\n```sh\n# → x\n```')).toThrow('no command before')
})

function scriptsOf(path: string): ReturnType<typeof scripts> {
  return existsSync(path) ? scripts(readFileSync(path, 'utf8')) : new Map()
}

/** `rollcall` is found by its name, and its default endpoint is where the cluster listens. */
function readerEnv(port: number): Record<string, string> {
  const path = [dirname(binary()), process.env['PATH']].join(delimiter)
  return { ...plainEnv(), PATH: path, ROLLCALL_ENDPOINT: `http://127.0.0.1:${port}` }
}

/** 7400 where it and its neighbours are free, else three others in a row. */
async function firstPort(): Promise<number> {
  for (let first = PORTS[0] ?? 0; ; first = (await freePorts(1))[0] ?? 0) {
    const free = await Promise.all(PORTS.map((_, i) => isFree(first + i)))
    if (free.every(Boolean)) return first
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)))
  })
}
