import { describe, expect, test } from 'bun:test'
import { AssertionError } from '../../src/lib/assert.ts'
import { prng } from '../../src/lib/prng.ts'
import type { DiskFile } from '../../src/storage/mod.ts'
import { SimDisk } from '../support/sim-disk.ts'

function disk(seed = 1): { readonly disk: SimDisk; readonly tasks: (() => void)[] } {
  const tasks: (() => void)[] = []
  const schedule = (task: () => void): void => void tasks.push(task)
  return { disk: new SimDisk({ random: prng(seed), schedule }), tasks }
}

function create(on: SimDisk, name: string): DiskFile {
  return on.open(name, { create: true }) as DiskFile
}

function bytes(fill: number, length = 2_048): Uint8Array {
  return new Uint8Array(length).fill(fill)
}

describe('SimDisk', () => {
  test('what was synced survives a crash, file and name', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const { disk: d } = disk(seed)
      const file = create(d, 'a')
      file.write(0, bytes(7))
      file.syncNow()
      d.syncDirectory()
      d.crash()
      expect(d.bytes('a')).toEqual(bytes(7))
    }
  })

  test('unsynced writes are kept, lost or torn at sectors; each of them happens', () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 200; seed++) {
      const { disk: d } = disk(seed)
      const file = create(d, 'a')
      file.write(0, bytes(1))
      file.syncNow()
      d.syncDirectory()
      file.write(0, bytes(2))
      file.write(1_024, bytes(3, 512))
      d.crash()
      const after = d.bytes('a')
      expect(after.length).toBe(2_048)
      const sectors = [0, 512, 1_024, 1_536].map((at) => after[at] as number)
      for (let at = 0; at < 2_048; at++) expect(after[at]).toBe(sectors[at >> 9] as number)
      outcomes.add(sectors.join(''))
    }
    // Kept, lost, torn, and the later write overtaken by the earlier one.
    for (const outcome of ['1111', '2222', '2232', '1131', '1221']) {
      expect(outcomes).toContain(outcome)
    }
  })

  test('names that no syncDirectory covered may vanish, or come back', () => {
    const outcomes = new Set<string>()
    for (let seed = 1; seed <= 100; seed++) {
      const { disk: d } = disk(seed)
      create(d, 'kept').syncNow()
      d.syncDirectory()
      create(d, 'new').syncNow()
      d.rename('new', 'renamed')
      d.remove('kept')
      d.crash()
      outcomes.add(d.list().join(' '))
    }
    for (const outcome of ['kept', 'kept new', 'kept renamed', 'renamed']) {
      expect(outcomes).toContain(outcome)
    }
  })

  test('a sync covers the writes before it and none after', () => {
    let lost = 0
    for (let seed = 1; seed <= 40; seed++) {
      const { disk: d, tasks } = disk(seed)
      const file = create(d, 'a')
      d.syncDirectory()
      file.write(0, bytes(1, 512))
      let ended = 0
      file.sync(() => (ended += 1))
      file.write(512, bytes(2, 512))
      expect(ended).toBe(0)
      tasks.shift()?.()
      expect(ended).toBe(1)
      d.crash()
      expect(d.bytes('a').subarray(0, 512)).toEqual(bytes(1, 512))
      if (d.bytes('a').length === 512) lost += 1
    }
    expect(lost).toBeGreaterThan(0)
  })

  test('a sync that had not ended at the crash never ends', () => {
    const { disk: d, tasks } = disk()
    const file = create(d, 'a')
    file.sync(() => expect.unreachable())
    d.crash()
    for (const task of tasks) task()
    expect(() => file.size()).toThrow(AssertionError)
  })

  test('a failed sync forgets the writes but goes on showing them, until the crash', () => {
    const { disk: d } = disk()
    const file = create(d, 'a')
    file.write(0, bytes(1))
    file.syncNow()
    d.syncDirectory()
    file.write(0, bytes(2))
    d.failOn('sync', { code: 'EIO' })
    expect(() => file.syncNow()).toThrow('EIO')
    expect(file.read(0, 2_048)).toEqual(bytes(2))
    file.syncNow() // Says nothing is wrong, as Linux does.
    d.crash()
    expect(d.bytes('a')).toEqual(bytes(1))
  })

  test('kill keeps what the kernel has', () => {
    const { disk: d } = disk()
    create(d, 'a').write(0, bytes(2))
    d.kill()
    expect(d.bytes('a')).toEqual(bytes(2))
  })

  test('the same seed leaves the same bytes', () => {
    const images = [1, 1, 2].map((seed) => {
      const { disk: d } = disk(seed)
      const file = create(d, 'a')
      d.syncDirectory()
      for (let i = 1; i < 20; i++) file.write(i * 300, bytes(i, 900))
      d.crash()
      return d.bytes('a')
    })
    expect(images[0]).toEqual(images[1] as Uint8Array)
    expect(images[0]).not.toEqual(images[2] as Uint8Array)
  })
})
