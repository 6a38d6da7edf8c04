/**
 * The disk as storage sees it: one directory of files. `runtime/` gives the real one, the
 * simulator one that loses, tears and reorders what was not synced. Everything is synchronous
 * but `sync`, whose end is a callback, so the loop above is never blocked by a disk.
 */
export interface Disk {
  /** Names in the directory, sorted. */
  list(): readonly string[]
  /** Opens for reading and writing; null where there is none and `create` is false. */
  open(name: string, options: { readonly create: boolean }): DiskFile | null
  remove(name: string): void
  /** Atomic; durable only after `syncDirectory`. */
  rename(from: string, to: string): void
  syncDirectory(): void
  /** What may still be written to the file system by anybody like us, in bytes. */
  freeBytes(): number
}

/** Errors of the system pass through with their `code` (`ENOSPC`, `EIO`, …). */
export interface DiskFile {
  size(): number
  /** Bytes from `at` on, fewer than `length` at the end of the file. */
  read(at: number, length: number): Uint8Array
  /** Writes all of `bytes` at `at` into the page cache. */
  write(at: number, bytes: Uint8Array): void
  truncate(length: number): void
  /** fdatasync in the background. `done(null)` covers every write made before this call. */
  sync(done: (error: Error | null) => void): void
  /** fdatasync that blocks; at start, at stop and where the design asks for it. */
  syncNow(): void
  /** Syncs under way go on, and call back. */
  close(): void
}
