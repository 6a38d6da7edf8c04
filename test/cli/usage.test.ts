/** Each mistake ends with exit code 2 and one line that names it; nothing is started. */
import { describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { COMMANDS, FLAG_NAMES, findFlag, readArguments } from '../../src/cli/mod.ts'
import { run } from './support.ts'

/** The last letter is lost. */
const typo = (word: string): string => word.slice(0, -1)
/** `lock` is a command only with one to run. */
const restOf = (command: string): string[] => (command === 'lock' ? ['--', 'true'] : [])
const wordsOf = (command: string): string[] => command.split(' ')
const withTypo = (command: string): string[] => {
  const words = wordsOf(command)
  return [...words.slice(0, -1), typo(words.at(-1) ?? '')]
}

describe.each(COMMANDS)('a mistyped %s', (command) => {
  test('names the nearest command', () => {
    const last = wordsOf(command).at(-1)

    expect(() => readArguments(withTypo(command))).toThrow(`did you mean "${last}"?`)
  })

  test('flag names the nearest flag', () => {
    for (const name of FLAG_NAMES) {
      const spec = findFlag(name)
      if (spec === null || spec.hidden === true || !spec.commands.includes(command)) continue
      expect(() =>
        readArguments([...wordsOf(command), `--${typo(name)}`, 'x', ...restOf(command)]),
      ).toThrow(`"--${name}"?`)
    }
  })
})

const LIST = 'n1=http://127.0.0.1:7401,n2=http://127.0.0.1:7402'

test.each([
  [['srve'], 'did you mean "serve"?'],
  [['--id', 'n1'], 'a command comes before "--id"'],
  [['serve', 'n1'], 'serve takes flags only, not "n1"'],
  [['serve', '-d'], 'unknown flag "-d"'],
  [['serve', '--id'], '--id needs a value: --id NAME'],
  [['serve', '--id', '--data'], '--id needs a value'],
  [['serve', '--nodes', '3'], '--nodes belongs to dev, not to serve'],
  [['serve', '--id', 'a b'], '--id: "a b"'],
  [['serve', '--id', '..'], '--id: ".."'],
  [['serve', '--listen', '127.0.0.1:99999'], '--listen: port 99999 is not between 0 and 65535'],
  [['serve', '--listen', '7400'], '--listen: "7400" is not HOST:PORT'],
  [['serve', '--listen', '0.0.0.0:7400'], '--advertise'],
  [['serve', '--listen', '[::]:7400'], '--advertise'],
  [['serve', '--listen', '10.0.0.1:7400'], '--insecure'],
  [['serve', '--peer-listen', '10.0.0.1:7400'], '--peer-listen'],
  [['serve', '--peer-listen', '127.0.0.1:7400'], '--peer-listen must differ'],
  [['serve', '--listen', '10.0.0.1:7400', '--insecure'], '--cluster-secret-file is missing'],
  [['serve', '--advertise', 'http://a.example:7400'], '--cluster-secret-file is missing'],
  [['serve', '--cluster', 'n1=none,n2=http://a,n3=none', '--id', 'n1'], 'two nodes that only dial'],
  [['serve', '--cluster', LIST, '--id', 'n1', '--advertise', 'none'], 'is listed as n1=none'],
  [['serve', '--advertise', 'ftp://a'], '--advertise: "ftp://a" is not a URL'],
  [['serve', '--advertise', 'http://a/b'], 'without a path'],
  [['serve', '--cluster', LIST], '--cluster needs --id'],
  [['serve', '--cluster', LIST, '--id', 'n3'], 'but not this node, --id n3'],
  [['serve', '--cluster', LIST, '--id', 'n1'], 'it listens on http://127.0.0.1:7400'],
  [['serve', '--cluster', 'n1', '--id', 'n1'], '"n1" is not id=url'],
  [['serve', '--cluster', 'n1=127.0.0.1:7400', '--id', 'n1'], 'is not a URL'],
  [['serve', '--cluster', 'n1=http://a,n1=http://b', '--id', 'n1'], 'lists the id "n1" twice'],
  [['serve', '--cluster', 'n1=http://a,n2=http://a/', '--id', 'n1'], 'lists http://a twice'],
  [['serve', '--cluster-secret-file', '/nowhere/secret'], '/nowhere/secret'],
  [['serve', '--heartbeat', '100'], 'write 100ms or 100s'],
  [['serve', '--heartbeat', '400ms'], 'more than half of the shortest election timeout'],
  [['serve', '--remove-dead-after', '2s'], 'less than 3 of the longest election timeouts, 3s'],
  [['serve', '--election-timeout', '1s'], '--election-timeout: "1s" is not a range'],
  [['serve', '--election-timeout', '600..1000'], 'write 600ms or 600s'],
  [['serve', '--election-timeout', '1s..600ms'], '1s is not less than 600ms'],
  [['serve', '--timing', 'wam'], 'did you mean wan?'],
  [['serve', '--clock-drift', '5'], '--clock-drift: "5" is not a percentage'],
  [['serve', '--clock-drift', '51%'], 'more than 50%'],
  [['serve', '--sqlite', 'sqljs'], 'did you mean sql.js?'],
  [['serve', '--wal-segment', '64'], '"64" is not a size such as 64MiB'],
  [['serve', '--wal-segment', '2GiB'], 'not between'],
  [['serve', '--join', '127.0.0.1:1'], '--join: "127.0.0.1:1" is not a URL'],
  [['serve', '--role', 'learner'], '--role needs --join URL'],
  [
    [
      'serve',
      '--join',
      'http://127.0.0.1:1',
      '--id',
      'n1',
      '--cluster',
      'n1=http://127.0.0.1:7400',
    ],
    '--join and --cluster: a node either joins a cluster or founds one',
  ],
  [['member', 'lost'], 'member cannot "lost"'],
  [['member', 'add', 'n4'], 'member add needs --url'],
  [['member', 'remove'], 'member remove needs a NAME'],
  [['member', 'remove', 'n4', '--url', 'http://a:1'], '--url belongs to member add'],
  [['member', 'list', 'n4', 'n5'], 'member takes no more words'],
  [['transfer', 'a/b'], 'transfer: "a/b"'],
  [['serve', '--join', 'http://a:1', '--witness', '--role', 'learner'], 'it is no learner'],
  [
    ['serve', '--id', 'n1', '--witness', '--cluster', 'n1=http://127.0.0.1:7400'],
    'the lowest id of --cluster, n1, founds the cluster',
  ],
  [['serve', '--auth'], '--auth: not in this release yet'],
  [['serve', '--log-level', 'inof'], 'did you mean info?'],
  [['serve', '--config', '/nowhere/file'], '--config /nowhere/file: cannot be read'],
  [['dev', '--nodes', '0'], '--nodes: "0" is not a whole number between 1 and 9'],
  [['dev', '--listen', '10.0.0.1:7400'], 'loopback only'],
  [['dev', '--listen', '127.0.0.1:65534'], 'no room for 3 nodes'],
  [['status', '--endpoint', '127.0.0.1'], '--endpoint: "127.0.0.1" is not a URL'],
  [['status', '--output', 'xml'], 'is none of table, json'],
  [['help', 'sreve'], 'did you mean "serve"?'],
])('%p is refused: %s', async (args, line) => {
  const ran = await run(args)

  expect(ran.err).toContain(line)
  expect(ran.err).toStartWith('rollcall: ')
  expect(ran.err.trimEnd().split('\n')).toHaveLength(2) // The second one names the help.
  expect(ran.out).toBe('')
  expect(ran.code).toBe(2)
})

test('a config file is refused with its name and the key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-cli-'))
  const file = join(folder, 'config.json')
  try {
    for (const [text, line] of [
      ['{', 'is not JSON'],
      ['[]', 'one JSON object'],
      ['{"lisen": "127.0.0.1:0"}', 'unknown key "lisen"; did you mean "listen"?'],
      ['{"listen": null}', '"listen" must be a string'],
      ['{"heartbeat": 100}', `"heartbeat" in ${file}: "100" is not a duration`],
      ['{"auth": true}', `"auth" in ${file}: not in this release yet`],
    ] as const) {
      writeFileSync(file, text)
      const ran = await run(['serve', '--config', file])

      expect(ran.err).toContain(line)
      expect(ran.code).toBe(2)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a variable is named as the variable it is', async () => {
  const ran = await run(['serve'], { env: { ROLLCALL_LISTEN: '127.0.0.1:99999' } })

  expect(ran.err).toContain('ROLLCALL_LISTEN: port 99999')
  expect(ran.code).toBe(2)
})
