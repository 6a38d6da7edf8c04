import { Gathering } from './entry.ts'
import type { Imported } from './entry.ts'

export interface FolderFile {
  /** Below the folder, with `/` between its parts. */
  readonly path: string
  readonly bytes: Uint8Array
}

/** A folder's files; a path is a key. Names that begin with a dot are an editor's, or a tool's. */
export function fromFolder(files: Iterable<FolderFile>): Imported {
  const gathering = new Gathering()
  for (const { path, bytes: value } of files) {
    const isHidden = path.split('/').some((part) => part.startsWith('.'))
    if (isHidden) gathering.skip(path, 'its name begins with a dot')
    else gathering.add(path, { value, contentType: null, comment: null })
  }
  return gathering.imported
}
