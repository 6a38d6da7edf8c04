/** What all routes that carry config values have in common. */
import type { ConfigVersionValue } from '../../state/rows.ts'
import { etag } from '../request/etag.ts'

export const COMMENT_MAX = 1_024

/** A value as it was written: raw, with its type, and never as a page of ours. */
export function rawValue(
  row: Pick<ConfigVersionValue, 'value' | 'version' | 'contentType'>,
): Response {
  return new Response(row.value as Uint8Array<ArrayBuffer>, {
    headers: {
      'Content-Type': row.contentType,
      ETag: etag(row.version),
      // A value may be a page that someone else wrote: it must not run as one of ours.
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': 'sandbox',
    },
  })
}
