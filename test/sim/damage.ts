/**
 * Damage to what a log had made durable, while its node is down: bits that flip, a write that the
 * disk had confirmed and never made, one that went to another place (RELIABILITY §1, rows 9 and 12).
 *
 * Only batches before D are hit, the largest `durableUpTo` in any whole batch (DESIGN §3): what
 * is at or after D nobody can tell from a torn tail.
 */
import {
  batchBytes,
  BLOCK_BYTES,
  checksumOf,
  HEADER_BYTES,
  readHeader,
} from '../../src/storage/layout.ts'
import type { SimDisk } from '../support/sim-disk.ts'
import type { Chance } from './chance.ts'

interface Batch {
  readonly file: string
  readonly at: number
  readonly bytes: number
  readonly sequence: number
  readonly durableUpTo: number
}

export type Damage = 'bits flipped' | 'a write lost' | 'a write misdirected'

/** Does one of the three to one batch; null where the log has none that is known to be durable. */
export function damage(disk: SimDisk, chance: Chance): Damage | null {
  const batches = disk.list().flatMap((file) => batchesIn(file, disk.bytes(file)))
  const durableUpTo = Math.max(0, ...batches.map((batch) => batch.durableUpTo))
  const durable = batches.filter(({ sequence }) => sequence <= durableUpTo)
  if (durable.length < 2) return null
  const [victim, other] = chance.shuffled(durable) as [Batch, Batch]
  const kind = chance.pick(['bits flipped', 'bits flipped', 'a write lost', 'a write misdirected'])
  const bytes = disk.bytes(victim.file)
  if (kind === 'bits flipped') flip(bytes, victim, chance)
  else bytes.fill(0, victim.at, victim.at + batchBytes(victim.bytes - HEADER_BYTES))
  if (kind === 'a write misdirected') {
    const stray = disk.bytes(victim.file).slice(victim.at, victim.at + BLOCK_BYTES)
    const there = other.file === victim.file ? bytes : disk.bytes(other.file)
    there.set(stray, other.at)
    if (other.file !== victim.file) disk.plant(other.file, there)
  }
  disk.plant(victim.file, bytes)
  return kind as Damage
}

function flip(bytes: Uint8Array, { at, bytes: length }: Batch, chance: Chance): void {
  for (let flips = chance.pick([1, 1, 3, 20]); flips > 0; flips--) {
    const place = at + chance.int(0, length - 1)
    bytes[place] = (bytes[place] as number) ^ (1 << chance.int(0, 7))
  }
}

function batchesIn(file: string, bytes: Uint8Array): Batch[] {
  const batches: Batch[] = []
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const header = readHeader(bytes.subarray(at, at + HEADER_BYTES))
    if (header === null) continue
    const { sequence, durableUpTo, payloadBytes, checksum } = header
    const length = HEADER_BYTES + payloadBytes
    // One that was torn proves nothing of those before it.
    if (at + length > bytes.length) continue
    if (checksumOf(bytes.subarray(at, at + length), payloadBytes) !== checksum) continue
    batches.push({ file, at, bytes: length, sequence, durableUpTo })
    at += batchBytes(payloadBytes) - BLOCK_BYTES
  }
  return batches
}
