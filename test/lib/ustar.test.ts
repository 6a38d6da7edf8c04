import { afterAll, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { concatBytes } from '../../src/lib/bytes.ts'
import { ArchiveError, isArchive, packed, unpacked } from '../../src/lib/ustar.ts'
import type { ArchivedFile } from '../../src/lib/ustar.ts'

const folder = mkdtempSync(join(tmpdir(), 'rollcall-ustar-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bytes = (text: string) => new TextEncoder().encode(text)
const file = (path: string, text: string, records: Record<string, string> = {}): ArchivedFile => ({
  path,
  bytes: bytes(text),
  records: new Map(Object.entries(records)),
})
const archive = (files: readonly ArchivedFile[]) => concatBytes([...packed(files, 1_700_000_000)])

const FILES = [
  file('app/db.json', '{"a":1}'),
  file('empty', ''),
  file('block', 'x'.repeat(512)),
  file(`${'deep/'.repeat(60)}long.txt`, 'far down'),
  file('typed', 'x', { 'ROLLCALL.content-type': 'text/x-mine; charset=utf-8' }),
  file('ünï', 'not ASCII'),
]

test('what is packed is unpacked as it was', () => {
  const tar = archive(FILES)
  expect(isArchive(tar)).toBe(true)
  expect(tar.length % 512).toBe(0)
  expect([...unpacked(tar)]).toEqual(FILES)
})

test('any paths, bytes and records survive', () => {
  const path = fc.string({ minLength: 1, maxLength: 600, unit: 'grapheme' })
  const safe = path.filter((text) => text.isWellFormed() && !text.includes('\0'))
  const files = fc.array(
    fc.record({
      path: safe,
      bytes: fc.uint8Array({ maxLength: 1_500 }),
      records: fc.dictionary(fc.constantFrom('a', 'b.c'), safe, { noNullPrototype: true }),
    }),
    { maxLength: 5 },
  )
  fc.assert(
    fc.property(files, (given) => {
      const expected = given.map((one) => ({
        ...one,
        records: new Map(Object.entries(one.records)),
      }))
      expect([...unpacked(archive(expected))]).toEqual(expected)
    }),
    { numRuns: 200 },
  )
})

test('tar(1) reads what is packed', async () => {
  writeFileSync(join(folder, 'ours.tar'), archive(FILES))
  mkdirSync(join(folder, 'out'))
  const tar = Bun.spawn(['tar', '-xf', '../ours.tar'], {
    cwd: join(folder, 'out'),
    stderr: 'ignore',
  })
  expect(await tar.exited).toBe(0)
  for (const { path, bytes: expected } of FILES) {
    expect([...readFileSync(join(folder, 'out', path))]).toEqual([...expected])
  }
})

const byName = (x: unknown[], y: unknown[]) => (String(x[0]) < String(y[0]) ? -1 : 1)

test.each(['ustar', 'pax', 'gnu'])('what tar(1) writes as %s is read', async (format) => {
  const from = join(folder, format)
  const files = FILES.filter(({ path }) => format !== 'ustar' || path.length < 200)
  for (const { path, bytes: content } of files) {
    mkdirSync(dirname(join(from, path)), { recursive: true })
    writeFileSync(join(from, path), content)
  }
  const out = join(folder, `${format}.tar`)
  const tar = Bun.spawn(['tar', `--format=${format}`, '-cf', out, '--sort=name', '-C', from, '.'])
  expect(await tar.exited).toBe(0)

  const read = [...unpacked(new Uint8Array(readFileSync(out)))].map((one) => [
    one.path.replace(/^\.\//, ''),
    one.bytes,
  ])
  const expected = files.map(({ path, bytes: content }) => [path, content])
  expect(read.sort(byName)).toEqual(expected.sort(byName))
})

test('whatever is no whole archive is refused, and nothing else is thrown', () => {
  const tar = archive(FILES)
  const damaged = fc
    .tuple(fc.nat(tar.length - 1), fc.nat(255), fc.nat(tar.length))
    .map(([at, value, cut]) => {
      const copy = tar.slice(0, cut)
      if (at < cut) copy[at] = value
      return copy
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 2_000 })), (given) => {
      try {
        for (const { path } of unpacked(given)) expect(typeof path).toBe('string')
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error
      }
    }),
    { numRuns: 1_000 },
  )
  expect(() => [...unpacked(tar.slice(0, -1_024))]).toThrow('cut off')
  expect(() => [...unpacked(tar.slice(0, 600))]).toThrow(ArchiveError)
  expect(() => [...unpacked(bytes('x'.repeat(512)))]).toThrow('right checksum')
})

test('a link is no file', () => {
  const tar = archive([file('a', '')])
  const sum = () =>
    tar.subarray(0, 512).reduce((all, byte, i) => all + (i > 147 && i < 156 ? 32 : byte), 0)
  tar[156] = '2'.charCodeAt(0)
  tar.set(bytes(`${sum().toString(8).padStart(6, '0')}\0 `), 148)
  expect(() => [...unpacked(tar)]).toThrow('"a" is a link')
})
