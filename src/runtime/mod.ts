/**
 * All that differs between Bun, Deno and Node, and all that touches the machine: files, locks,
 * sockets, SQLite, workers. Nothing is decided here; other folders declare the ports that this one satisfies.
 *
 * @module
 */
export { idleLimitAt } from './host-server.ts'
export { loadDial } from './dial.ts'
export type { Dial } from './dial.ts'
export { openDisk } from './disk.ts'
export { lockDirectory } from './lock.ts'
export type { DirectoryLock } from './lock.ts'
export { serve } from './serve.ts'
export type { Remote, Server } from './serve.ts'
export { loadSql, openSql } from './sqlite.ts'
export type { SqlFactory } from './sqlite.ts'
export { StateDamaged } from './sqlite-guard.ts'
export { StateCopy } from './state-copy.ts'
export {
  findStateFile,
  installedIn,
  isDataDirectory,
  logOf,
  openStateFile,
  readFence,
  removeOtherFiles,
  StateFileError,
} from './state-file.ts'
export type { StateFile } from './state-file.ts'
export { StateStore } from './state-store.ts'
export type { StateStoreOptions } from './state-store.ts'
export { serveStateJobs } from './state-worker.ts'
export { serveValueJobs, ValueWorker } from './value-worker.ts'
export type { ValueWorkerOptions } from './value-worker.ts'
