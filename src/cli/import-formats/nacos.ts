/**
 * The archive that Nacos exports: a zip of `GROUP/dataId` and a `.metadata.yml` that lists, for each,
 * its type and description (`.meta.yml` of older ones says nothing that is carried over). A key here
 * is `GROUP/dataId`.
 */
import { unzipSync } from 'fflate'
import { parse } from 'yaml'
import { utf8Text } from '../../lib/bytes.ts'
import { isObject } from '../../lib/objects.ts'
import { Gathering, ImportFormatError } from './entry.ts'
import type { Imported } from './entry.ts'

const METADATA = '.metadata.yml'
const OLD_METADATA = '.meta.yml'
/** A zip says how large its files become; past it nothing is unpacked. */
const UNPACKED_BYTES_MAX = 64 * 1024 * 1024
const COMMENT_MAX = 1_024

/** What Nacos calls a type, where it is none of our defaults. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ['json', 'application/json'],
  ['yaml', 'application/yaml'],
  ['yml', 'application/yaml'],
  ['xml', 'application/xml'],
  ['html', 'text/html'],
  ['toml', 'application/toml'],
  ['properties', 'text/plain'],
  ['text', 'text/plain'],
])

interface Description {
  readonly type: string | null
  readonly comment: string | null
}

export function fromNacos(zip: Uint8Array): Imported {
  const files = unzip(zip)
  const described = descriptionsOf(files[METADATA])
  const gathering = new Gathering()
  for (const [path, value] of Object.entries(files)) {
    if (path === METADATA || path === OLD_METADATA || path.endsWith('/')) continue
    if (!path.includes('/')) {
      gathering.skip(path, 'it lies in no group')
      continue
    }
    const { type, comment } = described.get(path) ?? { type: null, comment: null }
    const contentType = type === null ? null : (TYPES.get(type.toLowerCase()) ?? null)
    gathering.add(path, { value, contentType, comment })
  }
  for (const path of described.keys()) {
    if (files[path] === undefined) gathering.skip(path, 'it is listed, and not in the archive')
  }
  return gathering.imported
}

function unzip(zip: Uint8Array): Readonly<Record<string, Uint8Array>> {
  let bytes = 0
  try {
    return unzipSync(zip, {
      filter: ({ originalSize }) => {
        bytes += originalSize
        if (bytes > UNPACKED_BYTES_MAX) throw tooLarge()
        return true
      },
    })
  } catch (cause) {
    if (cause instanceof ImportFormatError) throw cause
    const message = 'it is not a zip archive, as the export of Nacos is one'
    throw Object.assign(new ImportFormatError(message), { cause })
  }
}

function tooLarge(): ImportFormatError {
  return new ImportFormatError(`it unpacks to more than ${UNPACKED_BYTES_MAX} bytes: export less`)
}

function descriptionsOf(file: Uint8Array | undefined): ReadonlyMap<string, Description> {
  const described = new Map<string, Description>()
  const list = file === undefined ? [] : metadataOf(file)
  for (const item of list) {
    if (!isObject(item)) continue
    const { group, dataId, type, desc } = item
    if (typeof group !== 'string' || typeof dataId !== 'string') continue
    described.set(`${group}/${dataId}`, {
      type: typeof type === 'string' && type !== '' ? type : null,
      comment: typeof desc === 'string' && desc !== '' ? desc.slice(0, COMMENT_MAX) : null,
    })
  }
  return described
}

function metadataOf(file: Uint8Array): readonly unknown[] {
  const text = utf8Text(file) ?? ''
  let metadata: unknown = null
  try {
    metadata = parse(text)
  } catch (cause) {
    throw Object.assign(new ImportFormatError(`${METADATA} is not YAML`), { cause })
  }
  const list = isObject(metadata) ? metadata['metadata'] : null
  if (!Array.isArray(list)) throw new ImportFormatError(`${METADATA} does not list any metadata`)
  return list
}
