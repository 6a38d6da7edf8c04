/** The entry point of the worker that tends the database: an own file of the executable. */
import { serveStateJobs } from './runtime/mod.ts'

serveStateJobs()
