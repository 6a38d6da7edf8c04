/** `h2load`: one gRPC request, sent over and over, over HTTP/2 without TLS, from one thread. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { percentile } from './figure.ts'
import type { Load } from './load.ts'
import { inFolder, output } from './tool.ts'

/** How so many requests are kept in flight: connections, and streams on each. */
export interface Shape {
  readonly connections: number
  readonly streams: number
}

export interface H2load {
  /** With the gRPC method as its path. */
  readonly url: string
  /** A whole gRPC message, its prefix included. */
  readonly body: Uint8Array
  readonly shape: Shape
  /** So long; or, where it is null, one request alone. */
  readonly seconds: number | null
}

export interface H2loadResult extends Load {
  /** What was sent: those in flight when time was over are not among the answered. */
  readonly started: number
  /** Bodies received. A gRPC error has none, and is 200 as any answer: `h2load` sees no trailers. */
  readonly dataBytes: number
}

/** One connection for all, one for each, and between: which is best depends on the server. */
export function shapesOf(inFlight: number): Shape[] {
  const counts = inFlight < 16 ? [1, inFlight] : [1, 8, inFlight]
  return [...new Set(counts)].map((connections) => {
    return { connections, streams: inFlight / connections }
  })
}

export function h2load({ url, body, shape, seconds }: H2load): Promise<H2loadResult> {
  return inFolder(async (folder) => {
    const data = join(folder, 'request')
    const log = join(folder, 'log')
    writeFileSync(data, body)
    const load = ['-t1', `-c${shape.connections}`, `-m${shape.streams}`]
    const length = seconds === null ? '-n1' : `-D${seconds}`
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers']
    const files = [`--data=${data}`, `--log-file=${log}`]
    const text = await output(['h2load', ...load, length, ...files, ...headers, url])
    return { ...parseH2load(text), ...parseLog(readFileSync(log, 'utf8')) }
  })
}

const FINISHED = /^finished in ([\d.]+)(us|ms|s),/m
const REQUESTS =
  /^requests: \d+ total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m
const STATUS = /^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m
const TRAFFIC = /^traffic: .*\((\d+)\) data$/m
const UNIT_SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1 }

type Counts = Omit<H2loadResult, 'p50Ms' | 'p99Ms' | 'p999Ms'>

export function parseH2load(text: string): Counts {
  const [, time, unit = 's'] = FINISHED.exec(text) ?? []
  const requests = REQUESTS.exec(text)?.slice(1).map(Number)
  const status = STATUS.exec(text)?.slice(1).map(Number)
  const traffic = TRAFFIC.exec(text)
  if (time === undefined || requests === undefined || status === undefined || traffic === null) {
    throw new Error(`h2load did not say what it did:\n${text}`)
  }
  const [started = 0, done = 0, succeeded = 0, failed = 0, errored = 0, timeout = 0] = requests
  const [, ...others] = status
  const refused = others.reduce((sum, count) => sum + count, 0)
  const faults = []
  if (failed + errored + timeout > 0) {
    faults.push(`h2load: ${failed} failed, ${errored} errored, ${timeout} timed out of ${done}`)
  }
  if (succeeded !== done || refused > 0) {
    faults.push(`h2load: of ${done} answers ${succeeded} succeeded, and ${refused} were not 2xx`)
  }
  const seconds = Number(time) * (UNIT_SECONDS[unit] ?? 1)
  return { count: done, started, seconds, dataBytes: Number(traffic[1]), faults }
}

/** Of each request: when it began, its status, and how many microseconds it took. */
export function parseLog(text: string): Pick<Load, 'p50Ms' | 'p99Ms' | 'p999Ms'> {
  const tookMs = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split('\t')[2]) / 1_000)
  return {
    p50Ms: percentile(tookMs, 50),
    p99Ms: percentile(tookMs, 99),
    p999Ms: percentile(tookMs, 99.9),
  }
}
