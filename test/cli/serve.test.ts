/** How a node's process ends, with a node that only listens in place of the real one. */
import { expect, test } from 'bun:test'
import process from 'node:process'
import { FAKE, cleanEnv, reader, run, start } from './support.ts'

const serve = (...flags: readonly string[]) => ['serve', '--listen', '127.0.0.1:0', ...flags]

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s stops the node, exit code 0',
  async (by) => {
    const child = start(serve('--id', 'n1'), { program: FAKE })
    const err = reader(child.stderr)
    await err.until(/listening/)

    child.kill(by)
    await child.exited

    expect(child.exitCode).toBe(0)
    expect(await err.rest()).toContain('"message":"stopped"')
  },
)

test('a node that waits for others stops when it is told to', async () => {
  const child = start(serve('--id', 'waiting', '--log-level', 'debug'), {
    program: FAKE,
    env: { ROLLCALL_LISTN: 'x' },
  })
  const err = reader(child.stderr)
  await err.until(/ROLLCALL_LISTN means nothing/)

  child.kill('SIGTERM')
  await child.exited

  expect(child.exitCode).toBe(0)
})

test('a node that cannot stop is ended by force, exit code 1', async () => {
  const child = start(serve('--id', 'stuck'), { program: FAKE })
  const err = reader(child.stderr)
  await err.until(/listening/)

  child.kill('SIGTERM')
  await child.exited

  expect(child.exitCode).toBe(1)
  expect(await err.rest()).toContain('ended by force')
})

test.each([
  ['refused', 3, 'rollcall: the data directory is in use\n'],
  ['surprised', 1, 'rollcall: nobody expected this\n'],
])('a start that fails (%s) is one line and exit code %d', async (id, code, line) => {
  const ran = await run(serve('--id', id), { program: FAKE })

  expect(ran).toEqual({ code, out: '', err: line })
})

test('what nobody expected shows where it came from at debug', async () => {
  const ran = await run(serve('--id', 'surprised', '--log-level', 'debug'), { program: FAKE })

  expect(ran.err).toContain('fake-program.ts')
  expect(ran.code).toBe(1)
})

test.each([
  ['failing', 'disk gone'],
  ['callback', 'thrown in a callback'],
])('a node that fails while it runs (%s) is logged, exit code 1', async (id, error) => {
  const ran = await run(serve('--id', id), { program: FAKE })

  expect(ran.err).toContain(`"message":"the node cannot go on","node":"${id}","error":"${error}"`)
  expect(ran.code).toBe(1)
})

test('the line that says it listens is JSON with the real address, or text when asked', async () => {
  for (const format of ['json', 'text']) {
    const child = start(serve('--id', 'n1', '--log-format', format), { program: FAKE })
    const text = await reader(child.stderr).until(/listening.*\n/)
    child.kill('SIGTERM')
    await child.exited

    const line = text.split('\n').find((each) => each.includes('listening')) ?? ''
    if (format === 'text') {
      expect(line).toMatch(/^[0-9:.]{12} INFO {2}listening url=http:\/\/127\.0\.0\.1:\d+ id=n1 /)
    } else {
      expect(JSON.parse(line)).toMatchObject({ level: 'info', message: 'listening', id: 'n1' })
      expect(JSON.parse(line).url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    }
  }
})

test('--end-with-stdin stops the node when its standard input closes', async () => {
  const child = Bun.spawn([process.execPath, FAKE, ...serve('--end-with-stdin')], {
    env: cleanEnv(),
    stdin: 'pipe',
    stderr: 'pipe',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  const err = reader(child.stderr)
  await err.until(/listening/)

  await child.stdin.end()
  await child.exited

  expect(child.exitCode).toBe(0)
  expect(await err.rest()).toContain('end of standard input')
})

test('status shows a node, says when nothing answers, and lets no answer move the cursor', async () => {
  const child = start(serve('--id', 'n1'), { program: FAKE })
  const url = /"url":"([^"]+)"/.exec(await reader(child.stderr).until(/listening.*\n/))?.[1] ?? ''
  const table = await run(['status', '--endpoint', url])
  const json = await run(['status', '--output', 'json'], { env: { ROLLCALL_ENDPOINT: url } })
  child.kill('SIGTERM')
  await child.exited
  const gone = await run(['status', '--endpoint', url])

  expect(table.out).toMatch(/^node +n1\n/)
  expect(table.out).toContain('the cluster did not answer')
  expect(table.code).toBe(0)
  expect(JSON.parse(json.out)).toMatchObject({ status: { id: 'n1' }, cluster: null })
  expect(`${table.out}${json.out}`).not.toContain('\u001b')
  expect(gone.err).toStartWith(`rollcall: nothing answers at ${url}`)
  expect(gone.code).toBe(1)
})
