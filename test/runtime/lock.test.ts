import { afterEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { lockBySocket, lockDirectory } from '../../src/runtime/lock.ts'

const directories: string[] = []
const processes: Bun.Subprocess[] = []

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rollcall-lock-'))
  directories.push(directory)
  return directory
}

afterEach(async () => {
  for (const child of processes.splice(0)) {
    child.kill('SIGKILL')
    await child.exited
  }
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

const ROOT = resolve(import.meta.dirname, '../..')
const RUNTIMES = {
  bun: [process.execPath, '-e'],
  deno: [join(ROOT, 'node_modules/.bin/deno'), 'eval', '--no-check'],
} as const

/** Another process that tries to lock `path` by `how`; what it says, and itself, still running. */
async function another(
  path: string,
  { runtime = 'bun', how = 'lockDirectory' }: { runtime?: 'bun' | 'deno'; how?: string } = {},
): Promise<{ readonly says: string; readonly child: Bun.Subprocess }> {
  const code = `
    import { ${how} } from ${JSON.stringify(join(ROOT, 'src/runtime/lock.ts'))}
    const lock = await ${how}(${JSON.stringify(path)})
    console.log(lock === null ? 'refused' : 'locked')
    setInterval(() => {}, 1_000)`
  const child = Bun.spawn([...RUNTIMES[runtime], code], { cwd: ROOT, stdout: 'pipe' })
  processes.push(child)
  const { value } = await child.stdout.getReader().read()
  return { says: new TextDecoder().decode(value).trim(), child }
}

describe('lockDirectory()', () => {
  test('is held once, released, and held again; LOCK is for its owner alone', async () => {
    const path = temporary()
    const lock = await lockDirectory(path)
    expect(lock).not.toBeNull()
    expect(await lockDirectory(path)).toBeNull()
    expect(statSync(join(path, 'LOCK')).mode & 0o777).toBe(0o600)

    lock?.release()
    const again = await lockDirectory(path)
    expect(again).not.toBeNull()
    again?.release()
  })

  test('refuses a second process; another directory is free', async () => {
    const path = temporary()
    const lock = await lockDirectory(path)
    expect(await lockDirectory(path)).toBeNull() // Asking again must not drop what is held.
    expect((await another(path)).says).toBe('refused')
    expect((await another(temporary())).says).toBe('locked')
    lock?.release()
    expect((await another(path)).says).toBe('locked')
  }, 20_000)

  test('vanishes with a process that is killed', async () => {
    const path = temporary()
    const { says, child } = await another(path)
    expect(says).toBe('locked')
    expect(await lockDirectory(path)).toBeNull()

    child.kill('SIGKILL')
    await child.exited

    const lock = await lockDirectory(path)
    expect(lock).not.toBeNull()
    lock?.release()
  }, 20_000)

  test('Bun and Deno exclude each other', async () => {
    const path = temporary()
    const { says, child } = await another(path, { runtime: 'deno' })
    expect(says).toBe('locked')
    expect(await lockDirectory(path)).toBeNull()
    child.kill('SIGKILL')
    await child.exited

    const lock = await lockDirectory(path)
    expect(lock).not.toBeNull()
    expect((await another(path, { runtime: 'deno' })).says).toBe('refused')
    lock?.release()
  }, 30_000)
})

describe.if(process.platform === 'linux')('lockBySocket()', () => {
  test('refuses a second process and vanishes with the first', async () => {
    const path = temporary()
    const { says, child } = await another(path, { how: 'lockBySocket' })
    expect(says).toBe('locked')
    expect(await lockBySocket(path)).toBeNull()
    child.kill('SIGKILL')
    await child.exited

    const lock = await lockBySocket(path)
    expect(lock).not.toBeNull()
    expect((await another(path, { how: 'lockBySocket' })).says).toBe('refused')
    lock?.release()
  }, 20_000)
})
