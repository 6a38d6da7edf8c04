/**
 * A file as the jobs of `state-jobs.ts` use it, in two ways: where a thread is theirs alone they
 * block it, and leave the runtime's pool, of a thread or two, to the log's fdatasync; elsewhere the
 * pool does it, since the loop must go on.
 *
 * @module
 */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'

export interface JobFile {
  /** Bytes read, 0 at the end. */
  read(into: Uint8Array, at: number): number | Promise<number>
  /** At most all of `bytes`: how many were written. */
  write(bytes: Uint8Array, at: number): number | Promise<number>
  sync(): void | Promise<void>
  close(): void | Promise<void>
}

/** Throws, or rejects with, errors of the system. `w`: a new file, for this user alone. */
export type OpenJobFile = (path: string, flags: 'r' | 'r+' | 'w') => JobFile | Promise<JobFile>

const MODE = 0o600

export const openBlocking: OpenJobFile = (path, flags) => {
  const fd = openSync(path, flags, MODE)
  return {
    read: (into, at) => readSync(fd, into, 0, into.length, at),
    write: (bytes, at) => writeSync(fd, bytes, 0, bytes.length, at),
    sync: () => fdatasyncSync(fd),
    close: () => closeSync(fd),
  }
}

export const openPooled: OpenJobFile = async (path, flags) => {
  const file = await open(path, flags, MODE)
  return {
    read: async (into, at) => (await file.read(into, 0, into.length, at)).bytesRead,
    write: async (bytes, at) => (await file.write(bytes, 0, bytes.length, at)).bytesWritten,
    sync: () => file.datasync(),
    close: () => file.close(),
  }
}
