/** The log of a stopped node, looked at and hurt from outside, as a failing disk would. */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  batchBytes,
  BLOCK_BYTES,
  readHeader,
  seal,
  type ReadHeader,
} from '../../src/storage/layout.ts'

export interface FoundBatch {
  readonly file: string
  readonly offset: number
  /** On disk, padding included. */
  readonly bytes: number
  readonly header: ReadHeader
}

/** All batches of the log in `dataDir`, in their order on disk. */
export function batchesOf(dataDir: string): FoundBatch[] {
  const found: FoundBatch[] = []
  for (const name of readdirSync(join(dataDir, 'log')).sort()) {
    const file = join(dataDir, 'log', name)
    if (!statSync(file).isFile()) continue
    const content = readFileSync(file)
    for (let offset = 0; offset < content.length;) {
      const header = readHeader(content.subarray(offset, offset + BLOCK_BYTES))
      if (header === null) {
        offset += BLOCK_BYTES
        continue
      }
      const bytes = batchBytes(header.payloadBytes)
      found.push({ file, offset, bytes, header })
      offset += bytes
    }
  }
  return found
}

export function lastBatch(dataDir: string): FoundBatch {
  return batchesOf(dataDir).reduce((a, b) => (b.header.sequence > a.header.sequence ? b : a))
}

/** Overwrites `length` bytes at `offset` with `bytes`, again and again. */
export function overwrite(
  file: string,
  at: { readonly offset: number; readonly length: number },
  bytes: Uint8Array,
): void {
  const content = new Uint8Array(at.length).map((_, i) => bytes[i % bytes.length] ?? 0)
  const fd = openSync(file, 'r+')
  try {
    writeSync(fd, content, 0, content.length, at.offset)
  } finally {
    closeSync(fd)
  }
}

/**
 * Puts one more batch behind `last`, valid and with the same records, as if it had been under way
 * together with `last` when the machine stopped: neither knows the other as durable.
 */
export function appendCopy({ file, offset, bytes, header }: FoundBatch): FoundBatch {
  const copy = new Uint8Array(readFileSync(file).subarray(offset, offset + bytes))
  const sequence = header.sequence + 1
  const checksum = seal(copy, { ...header, sequence, predecessor: header.checksum })
  overwrite(file, { offset: offset + bytes, length: bytes }, copy)
  const found = { ...header, sequence, predecessor: header.checksum, checksum }
  return { file, offset: offset + bytes, bytes, header: found }
}

/** Flips every bit of one byte. */
export function flip(file: string, offset: number): void {
  const byte = readFileSync(file)[offset] ?? 0
  overwrite(file, { offset, length: 1 }, new Uint8Array([byte ^ 0xff]))
}

/** A digest of every file below `folder`, by name. */
export function digests(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  return Object.fromEntries(
    files.map((file) => [
      file.slice(folder.length + 1),
      createHash('sha256').update(readFileSync(file)).digest('hex'),
    ]),
  )
}
