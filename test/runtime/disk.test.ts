import { afterEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDisk } from '../../src/runtime/disk.ts'
import { Wal } from '../../src/storage/mod.ts'
import type { DiskFile } from '../../src/storage/mod.ts'
import { entry, hard, readAll } from '../storage/harness.ts'

const directories: string[] = []

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), 'rollcall-disk-'))
  directories.push(directory)
  return directory
}

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function create(path: string, name: string): DiskFile {
  return openDisk(path).open(name, { create: true }) as DiskFile
}

function mode(path: string): number {
  return statSync(path).mode & 0o777
}

describe('openDisk()', () => {
  test('makes the directory and its files for their owner alone', () => {
    const path = join(temporary(), 'a', 'b')
    create(path, 'x').close()
    expect(mode(path)).toBe(0o700)
    expect(mode(join(path, 'x'))).toBe(0o600)
  })

  test('closes a directory to others that was open to them', () => {
    const path = join(temporary(), 'a')
    mkdirSync(path)
    chmodSync(path, 0o755)
    openDisk(path)
    expect(mode(path)).toBe(0o700)
  })

  test('lists, renames and removes', () => {
    const disk = openDisk(temporary())
    for (const name of ['b', 'a']) disk.open(name, { create: true })?.close()
    expect(disk.list()).toEqual(['a', 'b'])
    disk.rename('b', 'c')
    disk.remove('a')
    disk.syncDirectory()
    expect(disk.list()).toEqual(['c'])
    expect(disk.open('a', { create: false })).toBeNull()
    expect(() => disk.remove('a')).toThrow('ENOENT')
  })

  test('tells the room that is left, as the system does', () => {
    const path = temporary()
    const free = openDisk(path).freeBytes()
    const { bavail, bsize } = statfsSync(path)
    expect(free).toBeGreaterThan(0)
    // Others write to the same file system meanwhile.
    expect(Math.abs(free - bavail * bsize)).toBeLessThan(free / 2)
  })

  test('writes at a position, reads fewer bytes at the end, truncates', () => {
    const file = create(temporary(), 'x')
    file.write(10, new Uint8Array([1, 2, 3]))
    expect(file.size()).toBe(13)
    expect([...file.read(9, 100)]).toEqual([0, 1, 2, 3])
    expect([...file.read(13, 100)]).toEqual([])
    expect([...file.read(50, 100)]).toEqual([])
    file.truncate(11)
    expect([...file.read(0, 100)]).toHaveLength(11)
    file.syncNow()
    file.close()
  })

  test('sync calls back later, also after close: what failed must be heard', async () => {
    const file = create(temporary(), 'x')
    file.write(0, new Uint8Array(10))
    let returned = false
    const error = await new Promise((done) => {
      file.sync((e) => done(returned ? e : new Error('called back at once')))
      returned = true
    })
    expect(error).toBeNull()

    let closed = false
    const late = await new Promise((done) => {
      file.sync((e) => done(closed ? e : new Error('called back before close')))
      file.close()
      closed = true
    })
    expect(late).toBeNull()
  })

  test.skipIf(!existsSync('/dev/full'))('a sync that fails is heard', async () => {
    const path = temporary()
    symlinkSync('/dev/full', join(path, 'x')) // Nothing there can be synced.
    const file = openDisk(path).open('x', { create: false }) as DiskFile
    const error = await new Promise<Error | null>((done) => file.sync(done))
    file.close()
    expect((error as NodeJS.ErrnoException | null)?.code).toBe('EINVAL')
  })

  test('carries a log over a restart', async () => {
    const path = temporary()
    const options = {
      segmentBytes: 64 * 1024,
      nodeId: 'n1',
      newNodeId: () => 'made',
      newIncarnation: () => 'random',
      appliedIndex: 0,
      onFailure: (error: Error) => expect.unreachable(error.message),
    }
    const wal = Wal.open(openDisk(path), options)
    const entries = Array.from({ length: 100 }, (_, i) => entry(i + 1, 1, 'x'.repeat(2_000)))
    let now = 0
    const timer = setInterval(() => wal.tick((now += 10)), 1)
    await Promise.all(
      entries.map(
        (e, i) =>
          new Promise<void>((done) => {
            wal.write({ write: i, hardState: i === 0 ? hard(1) : null, entries: [e] }, done)
          }),
      ),
    )
    clearInterval(timer)
    expect(wal.stats().segments).toBeGreaterThan(3)
    wal.close()

    const again = Wal.open(openDisk(path), { ...options, appliedIndex: 100 })
    expect(readAll(again)).toEqual(entries)
    expect(again.recovered.hardState).toEqual(hard(1))
    again.close()
  })
})
