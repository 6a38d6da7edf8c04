/**
 * Other systems' exports as entries for our import. Pure: bytes in, entries out.
 *
 * @module
 */
export { fromConsul } from './consul.ts'
export { ImportFormatError, toLines } from './entry.ts'
export type { Imported, ImportEntry } from './entry.ts'
export { fromEtcd } from './etcd.ts'
export { fromFolder } from './folder.ts'
export type { FolderFile } from './folder.ts'
export { fromNacos } from './nacos.ts'
