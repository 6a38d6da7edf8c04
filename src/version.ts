import manifest from '../package.json' with { type: 'json' }

/** What this program is. `compiled` says that `process.execPath` is rollcall itself. */
export interface Build {
  readonly version: string
  /** The commit it was built from; `source` when it runs from its sources. */
  readonly commit: string
  readonly compiled: boolean
}

/** Put in by `build.ts` with `--define`; absent when the sources run. */
declare const ROLLCALL_BUILD_VERSION: string | undefined
declare const ROLLCALL_BUILD_COMMIT: string | undefined

export const BUILD: Build = {
  version: typeof ROLLCALL_BUILD_VERSION === 'string' ? ROLLCALL_BUILD_VERSION : manifest.version,
  commit: typeof ROLLCALL_BUILD_COMMIT === 'string' ? ROLLCALL_BUILD_COMMIT : 'source',
  compiled: typeof ROLLCALL_BUILD_VERSION === 'string',
}

export const VERSION = BUILD.version
