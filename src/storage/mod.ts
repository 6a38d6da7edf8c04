/**
 * The disk: the log of one node, and nothing that is decided by it.
 *
 * `Wal.open` reads what is there, refuses what it cannot trust (`WalDamaged`, `WalMismatch`: exit
 * code 3, nothing changed), cuts a torn tail durably, and gives the core what it starts from.
 * `Wal.write` makes hard state and entries durable, many writes with one fdatasync. All of it runs
 * over the `Disk` port: `runtime/disk.ts` is the real one, `test/support/sim-disk.ts` one that
 * loses, tears and reorders what was not synced.
 *
 * Read `DESIGN.md`, `layout.ts` (the batch), `records.ts` (what is in it), `recovery.ts` (what a
 * log is worth), then `wal.ts` (group commit) over `appender.ts` and `segment-allocator.ts`.
 *
 * Invariants:
 * 1. `done` of a write is called only when an fdatasync begun after its last byte was written
 *    has completed; in call order; never again after a failure.
 * 2. At most one batch is on disk and not yet durable, so a power cut tears only the last one.
 * 3. No byte of the directory changes before the log in it was found whole.
 * 4. What was cut is zero, durably, before anything is written behind the cut.
 *
 * @module
 */
export type { Disk, DiskFile } from './disk.ts'
export { REJOIN, WalDamaged, WalMismatch } from './errors.ts'
export type { Damage, MismatchReason } from './errors.ts'
export type { Identity } from './records.ts'
export type { Recovered } from './replay.ts'
export { SEGMENT_BYTES, Wal } from './wal.ts'
export type { WalOptions, WalStats } from './wal-options.ts'
export type { CompactionBounds } from './compaction.ts'
export { inspectLog } from './inspect.ts'
export type { LogReport } from './inspect.ts'
