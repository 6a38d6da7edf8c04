/** What this disk takes to keep a page: the least that a durable write can take. */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { percentile } from './figure.ts'
import { inFolder } from './tool.ts'

const PAGE = 4_096
const SYNCS = 300

/** Median milliseconds of an `fdatasync` after a page was written anew, as a log does it. */
export function fdatasyncMs(): Promise<number> {
  return inFolder(async (folder) => {
    const file = openSync(join(folder, 'pages'), 'w')
    try {
      writeSync(file, Buffer.alloc(PAGE * SYNCS))
      fsyncSync(file)
      const tookMs = Array.from({ length: SYNCS }, (_, i) => {
        writeSync(file, Buffer.alloc(PAGE, 1), 0, PAGE, i * PAGE)
        const beganMs = performance.now()
        fdatasyncSync(file)
        return performance.now() - beganMs
      })
      return percentile(tookMs, 50)
    } finally {
      closeSync(file)
    }
  })
}
