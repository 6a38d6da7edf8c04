import { describe, expect, test } from 'bun:test'
import { COMMANDS, FLAG_NAMES, findFlag, GROUPS } from '../../src/cli/mod.ts'
import { run } from './support.ts'

test.each([[[]], [['help']], [['--help']], [['-h']]])('%p prints the overview', async (args) => {
  const ran = await run(args)

  for (const command of COMMANDS) expect(ran.out).toContain(`  ${command.split(' ')[0]} `)
  expect(ran.err).toBe('')
  expect(ran.code).toBe(0)
})

describe.each(COMMANDS)('help %s', (command) => {
  test('lists each flag of it with its default, in 100 columns', async () => {
    const ran = await run(['help', ...command.split(' ')])

    for (const name of FLAG_NAMES) {
      const spec = findFlag(name)
      const listed = spec !== null && spec.hidden !== true && spec.commands.includes(command)
      expect(ran.out.includes(`  --${name} `), name).toBe(listed)
      if (!listed || spec.fallback === null) continue
      expect(ran.out.replaceAll(/\n +/g, ' '), name).toContain(`(default ${spec.fallback})`)
    }
    const [, flags = ''] = ran.out.split('\nFlags\n')
    for (const line of (flags.split('\n\n')[0] ?? '').split('\n')) {
      expect(line.length, line).toBeLessThanOrEqual(100)
    }
    expect(ran.code).toBe(0)
  })

  test('is what --help and -h say too', async () => {
    const words = command.split(' ')
    const help = await run(['help', ...words])

    expect(await run([...words, '--help'])).toEqual(command === 'help' ? await run(['help']) : help)
    expect((await run([...words, '-h'])).code).toBe(0)
  })
})

test.each(Object.keys(GROUPS))('help %s lists its commands, in 100 columns', async (group) => {
  const ran = await run(['help', ...group.split(' ')])

  const within = COMMANDS.filter((command) => command.startsWith(`${group} `))
  expect(within.length).toBeGreaterThan(1)
  for (const command of within) expect(ran.out).toContain(`  rollcall ${command}`)
  const [, commands = ''] = ran.out.split('\nCommands\n')
  for (const line of commands.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100)
})

test('version says the version of the manifest, as a line and as JSON', async () => {
  const { version } = await Bun.file('package.json').json()

  expect((await run(['version'])).out).toBe(
    `rollcall ${version} (from source, bun ${Bun.version})\n`,
  )
  expect((await run(['--version'])).out).toStartWith(`rollcall ${version} `)
  expect(JSON.parse((await run(['version', '--output', 'json'])).out)).toEqual({
    version,
    commit: 'source',
    compiled: false,
    runtime: `bun ${Bun.version}`,
  })
})
