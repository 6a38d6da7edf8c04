import { expect, test } from 'bun:test'
import { parseH2load, parseLog, shapesOf } from './h2load.ts'

/** Of h2load 1.52.0: three seconds of puts. */
const PUTS = `starting benchmark...
spawning thread #0: 1 total client(s). Timing-based test with 0s of warm-up time and 3s of main duration for measurements.
Warm-up started for thread #0.
progress: 100% of clients started
Warm-up phase is over for thread #0.
Main benchmark duration is started for thread #0.
Application protocol: h2c
Main benchmark duration is over for thread #0. Stopping all clients.
Stopped all clients for thread #0

finished in 3.00s, 9163.67 req/s, 595.06KB/s
requests: 27491 total, 27555 started, 27491 done, 27491 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 27491 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.74MB (1828019) total, 53.71KB (54994) headers (space savings 94.74%), 912.79KB (934694) data
                     min         max         mean         sd        +/- sd
time for request:     1.38ms    108.20ms      6.90ms      6.42ms    94.78%
time for connect:       58us        58us        58us         0us   100.00%
time to 1st byte:     3.73ms      3.73ms      3.73ms         0us   100.00%
req/s           :    9163.08     9163.08     9163.08        0.00   100.00%
`

/** A method that etcd has not, three times: an error of gRPC, which is 200 with trailers. */
const ERRORS_OF_GRPC = `finished in 1.85ms, 1625.14 req/s, 120.62KB/s
requests: 3 total, 3 started, 3 done, 3 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 3 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 228B (228) total, 81B (81) headers (space savings 75.45%), 0B (0) data
`

test('parseH2load() reads what was sent, answered and received', () => {
  expect(parseH2load(PUTS)).toEqual({
    count: 27_491,
    started: 27_555,
    seconds: 3,
    dataBytes: 934_694,
    faults: [],
  })
})

test('parseH2load() shows by its bytes that an answer was none', () => {
  const { count, seconds, dataBytes, faults } = parseH2load(ERRORS_OF_GRPC)

  expect({ count, dataBytes, faults }).toEqual({ count: 3, dataBytes: 0, faults: [] })
  expect(seconds).toBeCloseTo(0.00185, 9)
})

test('parseH2load() lets answers pass whose head alone came before the end', () => {
  const oneMore = PUTS.replace('status codes: 27491 2xx', 'status codes: 27492 2xx')

  expect(parseH2load(oneMore).faults).toEqual([])
})

test.each([
  ['0 failed, 0 errored', '3 failed, 0 errored'],
  ['0 failed, 0 errored', '0 failed, 3 errored'],
  ['0 timeout', '3 timeout'],
  ['27491 succeeded', '27488 succeeded'],
  ['0 3xx', '3 3xx'],
  ['0 4xx', '3 4xx'],
  ['0 5xx', '3 5xx'],
])('parseH2load() finds fault where "%s" is "%s"', (fine, faulty) => {
  expect(PUTS).toContain(fine)

  expect(parseH2load(PUTS.replace(fine, faulty)).faults).toHaveLength(1)
})

test('parseH2load() refuses what is no report', () => {
  expect(() => parseH2load('connect failed')).toThrow('did not say what it did:\nconnect failed')
})

test('parseLog() finds percentiles among all requests', () => {
  // Start, status, microseconds; as they ended, not in order of what they took.
  const lines = Array.from({ length: 1_000 }, (_, i) => {
    return `17954764333742${i}\t200\t${((i * 7) % 1_000) * 1_000}\n`
  })

  expect(parseLog(lines.join(''))).toEqual({ p50Ms: 500, p99Ms: 990, p999Ms: 999 })
})

test('shapesOf() keeps as many in flight by one connection, by many, and between', () => {
  expect(shapesOf(1)).toEqual([{ connections: 1, streams: 1 }])
  expect(shapesOf(64)).toEqual([
    { connections: 1, streams: 64 },
    { connections: 8, streams: 8 },
    { connections: 64, streams: 1 },
  ])
})
