/** Put in by `.ci/package.mjs` with `--define`; absent elsewhere. */
declare const ROLLCALL_PACKAGED: boolean | undefined

/** Whether this is the npm package: one folder of JavaScript, with all that belongs to it. */
export const PACKAGED = typeof ROLLCALL_PACKAGED === 'boolean' && ROLLCALL_PACKAGED
