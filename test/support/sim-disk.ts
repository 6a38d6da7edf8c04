/**
 * A disk that forgets: every file has what is durable, what the page cache shows, and the writes
 * between the two. `crash` is a power cut: each unsynced write is kept, lost, or torn at sectors,
 * in any order; creations, renames and removals that no `syncDirectory` covered may be undone.
 * `kill` is the death of the process alone: the page cache stays.
 *
 * A sector is written whole or not at all: what every log on a disk must assume. Where nothing was
 * before, one that is caught on its way may also end as noise: that costs nothing which was there.
 */
import { assert } from '../../src/lib/assert.ts'
import type { Random } from '../../src/lib/prng.ts'
import type { Disk, DiskFile } from '../../src/storage/disk.ts'

const SECTOR_BYTES = 512

export interface SimDiskOptions {
  readonly random: Random
  /** Runs `task` later: when, is how long an fdatasync takes. Never within this call. */
  schedule(task: () => void): void
  /** Bytes of all files together; beyond it, `ENOSPC`. */
  readonly capacityBytes?: number
  /** Of a thousand sectors that a power cut catches on their way to a blank place: how many end as noise. */
  readonly garbledPermille?: number
  /** Told of every read, which blocks whoever asked for it. */
  onRead?(): void
}

export type FaultyCall = 'write' | 'sync' | 'sync_directory' | 'open' | 'rename'

interface Fault {
  readonly call: FaultyCall
  readonly code: string
  readonly name: string | null
  countdown: number
}

type Pending =
  | { readonly type: 'write'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly type: 'truncate'; readonly length: number }

type NameChange =
  | { readonly type: 'link'; readonly name: string; readonly node: Inode }
  | { readonly type: 'unlink'; readonly name: string }
  | { readonly type: 'rename'; readonly from: string; readonly to: string; readonly node: Inode }

export class SimDisk implements Disk {
  readonly #random: Random
  readonly #schedule: (task: () => void) => void
  #durableNames = new Map<string, Inode>()
  #names = new Map<string, Inode>()
  #nameChanges: NameChange[] = []
  readonly #faults: Fault[] = []
  /** Grows with every crash and kill: handles of an older one are dead. */
  #epoch = 0
  capacityBytes: number
  /** For tests that count. `asked`: for the room left on a disk that is bounded. */
  readonly counts = {
    writes: 0,
    syncs: 0,
    bytesWritten: 0,
    refused: 0,
    asked: 0,
    torn: 0,
    garbled: 0,
  }
  readonly #garbledPermille: number
  readonly #onRead: () => void
  /** Syncs that failed since the last crash or kill: what they covered never reaches the platter. */
  failedSyncs = 0

  constructor(options: SimDiskOptions) {
    this.#random = options.random
    this.#schedule = (task) => options.schedule(task)
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER
    this.#garbledPermille = options.garbledPermille ?? 0
    this.#onRead = options.onRead ?? (() => {})
  }

  list(): readonly string[] {
    return [...this.#names.keys()].sort()
  }

  open(name: string, options: { readonly create: boolean }): DiskFile | null {
    this.#maybeFail('open', name)
    let node = this.#names.get(name)
    if (node === undefined) {
      if (!options.create) return null
      node = new Inode()
      this.#names.set(name, node)
      this.#nameChanges.push({ type: 'link', name, node })
    }
    return this.#handle(name, node)
  }

  remove(name: string): void {
    if (!this.#names.delete(name)) throw diskError('ENOENT', name)
    this.#nameChanges.push({ type: 'unlink', name })
  }

  rename(from: string, to: string): void {
    this.#maybeFail('rename', from)
    const node = this.#names.get(from)
    if (node === undefined) throw diskError('ENOENT', from)
    this.#names.delete(from)
    this.#names.set(to, node)
    this.#nameChanges.push({ type: 'rename', from, to, node })
  }

  syncDirectory(): void {
    this.#maybeFail('sync_directory', '.')
    this.#durableNames = new Map(this.#names)
    this.#nameChanges = []
  }

  freeBytes(): number {
    if (this.capacityBytes < Number.MAX_SAFE_INTEGER) this.counts.asked += 1
    return this.#free()
  }

  /** The `nth` call of this kind from now on (on `name`, if given) fails with `code`. */
  failOn(call: FaultyCall, options: { code: string; nth?: number; name?: string }): void {
    const { code, nth = 1, name = null } = options
    this.#faults.push({ call, code, name, countdown: nth })
  }

  /** Calls that were still to fail succeed. */
  forgetFaults(): void {
    this.#faults.length = 0
  }

  /** The power fails and comes back. Everything opened before is dead. */
  crash(): void {
    this.kill()
    const names = this.#survivingNames()
    const nodes = new Set(names.values())
    const noise: Noise = { permille: this.#garbledPermille, garbled: 0 }
    for (const node of nodes) this.counts.torn += node.crash(this.#random, noise)
    this.counts.garbled += noise.garbled
    this.#durableNames = names
    this.#names = new Map(names)
    this.#nameChanges = []
  }

  /** The process dies; the kernel keeps what it was given. */
  kill(): void {
    this.#epoch += 1
    this.failedSyncs = 0
  }

  /** Another disk is in its place, and nothing is on it. */
  format(): void {
    this.kill()
    this.#durableNames = new Map()
    this.#names = new Map()
    this.#nameChanges = []
    this.forgetFaults()
  }

  /** What the page cache shows: a copy. */
  bytes(name: string): Uint8Array {
    return this.#node(name).read(0, Number.MAX_SAFE_INTEGER).slice() // What is read may be lent.
  }

  /** Every file by name, to compare before and after. */
  image(): Map<string, Uint8Array> {
    return new Map(this.list().map((name) => [name, this.bytes(name)]))
  }

  /** Puts a durable file with these bytes in place, whatever was there: damage, or set-up. */
  plant(name: string, bytes: Uint8Array): void {
    const node = new Inode()
    node.apply({ type: 'write', at: 0, bytes: bytes.slice() })
    node.settle()
    this.#names.set(name, node)
    this.#durableNames.set(name, node)
  }

  #node(name: string): Inode {
    const node = this.#names.get(name)
    assert(node !== undefined, `a file ${name} exists`)
    return node
  }

  /** Mostly a prefix of the changes, as a journal leaves it; sometimes any of them. */
  #survivingNames(): Map<string, Inode> {
    const names = new Map(this.#durableNames)
    const ordered = this.#random(4) > 0
    const prefix = this.#random(this.#nameChanges.length + 1)
    for (const [i, change] of this.#nameChanges.entries()) {
      const kept = ordered ? i < prefix : this.#random(2) === 0
      if (!kept) continue
      if (change.type === 'unlink') names.delete(change.name)
      if (change.type === 'link') names.set(change.name, change.node)
      if (change.type === 'rename') {
        names.delete(change.from)
        names.set(change.to, change.node)
      }
    }
    return names
  }

  #handle(name: string, node: Inode): DiskFile {
    const epoch = this.#epoch
    let open = true
    const check = (): void => {
      assert(open && epoch === this.#epoch, `${name} is open`)
    }
    return {
      size: () => (check(), node.size),
      read: (at, length) => (check(), this.#onRead(), node.read(at, length)),
      write: (at, bytes) => {
        check()
        this.#maybeFail('write', name)
        const more = Math.max(0, at + bytes.length - node.size)
        if (more > 0 && !this.#hasRoom(more)) {
          this.counts.refused += 1
          throw diskError('ENOSPC', name)
        }
        this.counts.writes += 1
        this.counts.bytesWritten += bytes.length
        node.apply({ type: 'write', at, bytes: copyOf(bytes) })
      },
      truncate: (length) => (check(), node.apply({ type: 'truncate', length })),
      sync: (done) => {
        check()
        const covered = node.pendingCount
        this.#schedule(() => {
          if (epoch !== this.#epoch) return
          done(this.#sync(name, node, covered))
        })
      },
      syncNow: () => {
        check()
        const error = this.#sync(name, node, node.pendingCount)
        if (error !== null) throw error
      },
      close: () => {
        check()
        open = false
      },
    }
  }

  /** A failed sync forgets: the kernel takes the pages for clean and never writes them. */
  #sync(name: string, node: Inode, covered: number): Error | null {
    this.counts.syncs += 1
    try {
      this.#maybeFail('sync', name)
    } catch (error) {
      this.failedSyncs += 1
      node.forget(covered)
      return error as Error
    }
    node.settleUpTo(covered)
    return null
  }

  #hasRoom(more: number): boolean {
    return more <= this.#free()
  }

  #free(): number {
    if (this.capacityBytes === Number.MAX_SAFE_INTEGER) return this.capacityBytes
    let bytes = this.capacityBytes
    for (const node of this.#names.values()) bytes -= node.size
    return Math.max(0, bytes)
  }

  #maybeFail(call: FaultyCall, name: string): void {
    for (const fault of this.#faults) {
      if (fault.call !== call || (fault.name !== null && fault.name !== name)) continue
      fault.countdown -= 1
      if (fault.countdown === 0) throw diskError(fault.code, name)
    }
  }
}

/** How often a sector that was being written ends as noise, and how many did. */
interface Noise {
  readonly permille: number
  garbled: number
}

/** One file, whatever its names. */
class Inode {
  readonly #live = new GrowingBytes()
  readonly #durable = new GrowingBytes()
  #pending: Pending[] = []
  /** How many pending changes were ever taken off the front of the list. */
  #taken = 0

  get size(): number {
    return this.#live.size
  }

  /** Counts from the beginning of time, so that it stays valid when syncs overlap. */
  get pendingCount(): number {
    return this.#taken + this.#pending.length
  }

  read(at: number, length: number): Uint8Array {
    return this.#live.read(at, length)
  }

  apply(change: Pending): void {
    this.#live.apply(change)
    this.#pending.push(change)
  }

  settle(): void {
    this.settleUpTo(this.pendingCount)
  }

  settleUpTo(covered: number): void {
    for (const change of this.#take(covered)) this.#durable.apply(change)
  }

  /** Never written, although the page cache goes on showing it. */
  forget(covered: number): void {
    this.#forgotten.push(...this.#take(covered))
  }

  #forgotten: Pending[] = []

  #take(covered: number): Pending[] {
    const count = Math.max(0, covered - this.#taken)
    this.#taken += count
    return this.#pending.splice(0, count)
  }

  /** Returns how many writes were torn. */
  crash(random: Random, noise: Noise): number {
    let torn = 0
    const touched = [...this.#forgotten, ...this.#pending]
    for (const change of shuffleWrites(this.#pending, random)) {
      const fate = random(3)
      if (fate === 0) continue
      if (fate === 1 || change.type === 'truncate') this.#durable.apply(change)
      else if (tear(this.#durable, change, random, noise)) torn += 1
    }
    this.#pending = []
    this.#forgotten = []
    // Only what was changed differs: no copy of the whole file.
    this.#live.resize(this.#durable.size)
    for (const change of touched) this.#live.copyFrom(this.#durable, change)
    return torn
  }
}

/** Writes between two truncations reach the platter in any order. */
function shuffleWrites(changes: readonly Pending[], random: Random): Pending[] {
  const shuffled = [...changes]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random(i + 1)
    const between = shuffled.slice(j, i + 1)
    if (between.some((change) => change.type === 'truncate')) continue
    const other = shuffled[j] as Pending
    shuffled[j] = shuffled[i] as Pending
    shuffled[i] = other
  }
  return shuffled
}

/** Some of the sectors of a write. Returns whether some were lost and others not. */
function tear(
  target: GrowingBytes,
  write: Extract<Pending, { type: 'write' }>,
  random: Random,
  noise: Noise,
): boolean {
  let from = 0
  let [kept, lost] = [0, 0]
  while (from < write.bytes.length) {
    const toBoundary = SECTOR_BYTES - ((write.at + from) % SECTOR_BYTES)
    const to = Math.min(write.bytes.length, from + toBoundary)
    const sector = { at: write.at + from, bytes: write.bytes.subarray(from, to) }
    const isGarbled = noise.permille > 0 && random(1_000) < noise.permille
    if (isGarbled && target.isBlank(sector.at, sector.bytes.length)) {
      noise.garbled += 1
      lost += 1
      target.apply({ type: 'write', at: sector.at, bytes: garbled(sector.bytes, random) })
    } else if (random(2) === 0) {
      kept += 1
      target.apply({ type: 'write', ...sector })
    } else lost += 1
    from = to
  }
  return kept > 0 && lost > 0
}

/** The same with some bits the other way round. */
function garbled(bytes: Uint8Array, random: Random): Uint8Array {
  const noisy = bytes.slice()
  for (let flips = 1 + random(8); flips > 0; flips--) {
    const at = random(noisy.length)
    noisy[at] = (noisy[at] as number) ^ (1 << random(8))
  }
  return noisy
}

/** What most large writes are: a segment is filled with zeros before it is used. */
const BLANK = Buffer.alloc(256 * 1_024)

/** The bytes as they are now; those that are all zero share one place. */
function copyOf(bytes: Uint8Array): Uint8Array {
  const isBlank =
    bytes.length >= SECTOR_BYTES &&
    bytes.length <= BLANK.length &&
    BLANK.compare(bytes, 0, bytes.length, 0, bytes.length) === 0
  return isBlank ? BLANK.subarray(0, bytes.length) : bytes.slice()
}

/** From this length on what is read is not copied at once, but by the next write, if any. */
const LENT_BYTES_MIN = 8_192

/** Most files are segments of a log, which grow by chunks. */
const CAPACITY_MIN = 16_384

class GrowingBytes {
  #bytes = new Uint8Array(0)
  /** Somebody reads a part of `#bytes`, which must not change under them. */
  #lent = false
  size = 0

  read(at: number, length: number): Uint8Array {
    const end = Math.min(this.size, at + length)
    if (end - at < LENT_BYTES_MIN) return this.#bytes.slice(at, end)
    this.#lent = true
    return this.#bytes.subarray(at, end)
  }

  isBlank(at: number, length: number): boolean {
    const end = Math.min(this.size, at + length)
    for (let i = at; i < end; i++) if (this.#bytes[i] !== 0) return false
    return true
  }

  /** Before a change in place. */
  #own(): void {
    if (this.#lent) this.#bytes = this.#bytes.slice()
    this.#lent = false
  }

  apply(change: Pending): void {
    if (change.type === 'truncate') return this.resize(change.length)
    const isBlankAtEnd = change.bytes.buffer === BLANK.buffer && change.at >= this.size
    this.resize(Math.max(this.size, change.at + change.bytes.length))
    if (isBlankAtEnd) return // Behind the end everything is zero.
    this.#own()
    this.#bytes.set(change.bytes, change.at)
  }

  resize(size: number): void {
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, this.#bytes.length * 4, CAPACITY_MIN))
      larger.set(this.#bytes.subarray(0, this.size))
      this.#bytes = larger
      this.#lent = false
    }
    if (size < this.size) {
      this.#own()
      this.#bytes.fill(0, size, this.size)
    }
    this.size = size
  }

  /** Takes over the bytes that `change` touched. */
  copyFrom(other: GrowingBytes, change: Pending): void {
    const from = change.type === 'write' ? change.at : change.length
    const to = change.type === 'write' ? change.at + change.bytes.length : this.size
    if (from >= this.size) return
    this.#own()
    this.#bytes.set(other.#bytes.subarray(from, Math.min(to, this.size)), from)
  }
}

function diskError(code: string, name: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${name}`), { code })
}
