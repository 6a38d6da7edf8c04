/** Entity tags: `"<version>"` of a config key, `"<revision>"` of all else. RFC 9110 §8.8, §13.1. */
import type { Expect } from '../../state/command.ts'
import type { Asked } from '../edge.ts'
import { invalid } from '../error.ts'

/** No caller holds more versions of one resource than this. */
const TAGS_MAX = 64
/** Quoted or not; weak ones too, since proxies that compress weaken what they pass on. */
const TAG = /^(?:W\/)?(?:"(\d{1,16})"|(\d{1,16}))$/

export function etag(version: number): string {
  return `"${version}"`
}

/** What `If-Match` and `If-None-Match` ask of a write; null where they ask nothing. */
export function expectation(c: Asked): Expect | null {
  const match = c.req.header('If-Match')
  const noneMatch = c.req.header('If-None-Match')
  if (match === undefined && noneMatch === undefined) return null
  if (noneMatch !== undefined && noneMatch.trim() !== '*') {
    throw invalid('If-None-Match', 'of a write can only be *: "the resource must not exist"')
  }
  return { match: match === undefined ? null : parseMatch(match), absent: noneMatch !== undefined }
}

/** Of a staged value: it names no version, so nothing can be compared with it. */
const STAGED_TAG = /^(?:W\/)?"?\d+-[^"]+"?$/

function parseMatch(header: string): readonly number[] | '*' {
  if (header.trim() === '*') return '*'
  const tags = header.split(',', TAGS_MAX + 1)
  if (tags.length > TAGS_MAX) throw invalid('If-Match', `lists more than ${TAGS_MAX} entity tags`)
  return tags.map((tag) => {
    const number = parseTag(tag.trim())
    if (number !== null) return number
    if (!STAGED_TAG.test(tag.trim())) {
      throw invalid('If-Match', 'must be an entity tag of ours, such as "3", or *')
    }
    throw invalid(
      'If-Match',
      'is the ETag of a staged value, which no write can build on: ask ' +
        'without labels for the ETag of the key',
    )
  })
}

function parseTag(tag: string): number | null {
  const parts = TAG.exec(tag)
  if (parts === null) return null
  const number = Number(parts[1] ?? parts[2])
  return Number.isSafeInteger(number) ? number : null
}

/** Like {@link isKnown}, for a tag that is not a number. Weak comparison (RFC 9110 §13.1.2). */
export function isKnownTag(c: Asked, tag: string): boolean {
  const header = c.req.header('If-None-Match')
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return header.split(',', TAGS_MAX).some((one) => one.trim().replace(/^W\//, '') === tag)
}

/** Whether the caller of a read already has this version: then 304 is the answer. */
export function isKnown(c: Asked, version: number): boolean {
  const header = c.req.header('If-None-Match')
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return header.split(',', TAGS_MAX).some((tag) => parseTag(tag.trim()) === version)
}
