/**
 * Archives as tar(1) writes and reads them: POSIX ustar blocks, with pax records where a field is
 * too small (IEEE Std 1003.1, pax "Interchange Format"). Files only.
 *
 * Read are also the long names of GNU tar. Directories are passed over; links and devices are not
 * files and are refused.
 */
import { assert } from './assert.ts'
import { concatBytes, utf8, utf8Text } from './bytes.ts'

export interface ArchivedFile {
  readonly path: string
  readonly bytes: Uint8Array
  /** Further pax records of the file, such as `ROLLCALL.content-type`. */
  readonly records: ReadonlyMap<string, string>
}

/** The bytes are no archive that this reads; the message says where. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError'
}

const BLOCK = 512
const NAME = { at: 0, length: 100 }
const SIZE = { at: 124, length: 12 }
const CHECKSUM = { at: 148, length: 8 }
const TYPE_AT = 156
const MAGIC = { at: 257, length: 6 }
const PREFIX = { at: 345, length: 155 }
const FILE = '0'
const OLD_FILE = '\0'
const DIRECTORY = '5'
const PAX = 'x'
const PAX_GLOBAL = 'g'
const GNU_LONG_NAME = 'L'

/** Whether bytes look like an archive: `ustar` stands in its first header. */
export function isArchive(bytes: Uint8Array): boolean {
  return textAt(bytes, { at: MAGIC.at, length: 5 }) === 'ustar'
}

/** An archive, piece by piece. `seconds`: since 1970, the time of all files. */
export function* packed(files: Iterable<ArchivedFile>, seconds: number): Generator<Uint8Array> {
  for (const { path, bytes, records } of files) {
    const fits = utf8(path).length <= NAME.length
    const all = fits ? records : new Map([['path', path], ...records])
    if (all.size > 0) yield* member('PaxHeaders/record', { type: PAX, seconds }, paxBody(all))
    yield* member(fits ? path : 'PaxHeaders/long', { type: FILE, seconds }, bytes)
  }
  yield new Uint8Array(2 * BLOCK)
}

function* member(
  name: string,
  { type, seconds }: { readonly type: string; readonly seconds: number },
  body: Uint8Array,
): Generator<Uint8Array> {
  const header = new Uint8Array(BLOCK)
  const put = (at: number, text: string): void => header.set(utf8(text), at)
  assert(utf8(name).length <= NAME.length, 'a longer name stands in a record')
  put(NAME.at, name)
  put(100, '0000644\0') // Mode; then owner and group, which are nobody in particular.
  put(108, '0000000\0')
  put(116, '0000000\0')
  put(SIZE.at, `${octal(body.length, 11)}\0`)
  put(136, `${octal(seconds, 11)}\0`)
  put(TYPE_AT, type)
  put(MAGIC.at, 'ustar\x0000')
  put(CHECKSUM.at, `${octal(checksumOf(header), 6)}\0 `)
  yield header
  yield body
  const rest = body.length % BLOCK
  if (rest > 0) yield new Uint8Array(BLOCK - rest)
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0')
}

/** `"<length> <keyword>=<value>\n"` each, the length counting itself. */
function paxBody(records: ReadonlyMap<string, string>): Uint8Array {
  return concatBytes(
    Array.from(records, ([keyword, value]) => {
      const rest = utf8(` ${keyword}=${value}\n`)
      let length = rest.length + 1
      while (String(length).length + rest.length !== length) length += 1
      return concatBytes([utf8(String(length)), rest])
    }),
  )
}

/** The files of an archive, in its order. @throws {ArchiveError} */
export function* unpacked(archive: Uint8Array): Generator<ArchivedFile> {
  let records = new Map<string, string>()
  let longName: string | null = null
  let at = 0
  while (at + BLOCK <= archive.length) {
    const header = archive.subarray(at, at + BLOCK)
    if (header.every((byte) => byte === 0)) return // The end, as two empty blocks say it.
    const size = checkedSize(header, at)
    const body = archive.subarray(at + BLOCK, at + BLOCK + size)
    if (body.length < size) throw new ArchiveError(`the archive ends inside the file at byte ${at}`)
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK
    const type = String.fromCharCode(header[TYPE_AT] as number)
    if (type === PAX_GLOBAL || type === DIRECTORY) continue
    if (type === PAX) {
      records = paxRecords(body)
      continue
    }
    if (type === GNU_LONG_NAME) {
      longName = nameOf(body)
      continue
    }
    const path = records.get('path') ?? longName ?? pathOf(header)
    if (type !== FILE && type !== OLD_FILE) {
      throw new ArchiveError(`"${path.slice(0, 200)}" is a link or a device, not a file`)
    }
    records.delete('path')
    yield { path, bytes: body, records }
    records = new Map()
    longName = null
  }
  throw new ArchiveError('the archive has no end: it was cut off')
}

function checkedSize(header: Uint8Array, at: number): number {
  const expected = octalAt(header, CHECKSUM)
  if (expected !== checksumOf(header)) {
    throw new ArchiveError(`there is no header with a right checksum at byte ${at}`)
  }
  const size = octalAt(header, SIZE)
  if (size === null) throw new ArchiveError(`the file at byte ${at} has no size`)
  return size
}

/** Of a header, its own field counted as spaces. */
function checksumOf(header: Uint8Array): number {
  let sum = CHECKSUM.length * 32
  for (let i = 0; i < BLOCK; i++) {
    if (i < CHECKSUM.at || i >= CHECKSUM.at + CHECKSUM.length) sum += header[i] as number
  }
  return sum
}

type Field = { readonly at: number; readonly length: number }

function textAt(bytes: Uint8Array, { at, length }: Field): string | null {
  return nameOf(bytes.subarray(at, at + length))
}

function nameOf(field: Uint8Array): string | null {
  const end = field.indexOf(0)
  return utf8Text(end < 0 ? field : field.subarray(0, end))
}

function octalAt(header: Uint8Array, field: Field): number | null {
  const text = (textAt(header, field) ?? '').trim()
  return /^[0-7]{1,11}$/.test(text) ? Number.parseInt(text, 8) : null
}

function pathOf(header: Uint8Array): string {
  const name = textAt(header, NAME)
  const prefix = textAt(header, PREFIX)
  if (name === null || prefix === null)
    throw new ArchiveError('a file has a name that is not UTF-8')
  // Before POSIX the place of the prefix held other things.
  return prefix === '' || textAt(header, MAGIC) !== 'ustar' ? name : `${prefix}/${name}`
}

function paxRecords(body: Uint8Array): Map<string, string> {
  const records = new Map<string, string>()
  let at = 0
  while (at < body.length) {
    const space = body.indexOf(32, at)
    const length = Number(utf8Text(body.subarray(at, Math.max(at, space))))
    const record = utf8Text(body.subarray(space + 1, at + length - 1))
    const equals = record?.indexOf('=') ?? -1
    if (space < 0 || !(length > space - at + 1) || at + length > body.length || equals < 1) {
      throw new ArchiveError('a file has records that cannot be read')
    }
    records.set((record as string).slice(0, equals), (record as string).slice(equals + 1))
    at += length
  }
  return records
}
