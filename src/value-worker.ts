/** The entry point of the worker that checks values: an own file of the executable. */
import { serveValueJobs } from './runtime/mod.ts'

await serveValueJobs()
