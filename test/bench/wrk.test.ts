import { expect, test } from 'bun:test'
import { lua, parseWrk } from './wrk.ts'

/** Of wrk 4.1.0 with our script: a second of writes, and one of keys that were not there. */
const WRITES = `Running 1s test @ http://127.0.0.1:21999
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.25ms    5.30ms  45.64ms   93.56%
    Req/Sec     3.78k     1.78k    7.29k    70.00%
  3785 requests in 1.01s, 0.96MB read
Requests/sec:   3751.32
Transfer/sec:      0.95MB
{"requests":3785,"us":1008979,"bytes":1001624,"connect":0,"read":0,"write":0,"status":0,"timeout":0,"mean":3250,"p50":1379,"p99":34938,"p999":45634}
`
const NOT_THERE = `  22295 requests in 1.10s, 8.08MB read
  Non-2xx or 3xx responses: 22295
Requests/sec:  20280.81
Transfer/sec:      7.35MB
{"requests":22295,"us":1099315,"bytes":8469572,"connect":0,"read":0,"write":0,"status":22295,"timeout":0,"mean":640,"p50":265,"p99":10346,"p999":16264}
`

test('parseWrk() reads what our script said last', () => {
  const { rate, ...rest } = parseWrk(WRITES)

  expect(rate).toBeCloseTo(3_751.32, 1)
  expect(rest).toEqual({
    count: 3_785,
    seconds: 1.008979,
    bytes: 1_001_624,
    meanMs: 3.25,
    p50Ms: 1.379,
    p99Ms: 34.938,
    p999Ms: 45.634,
    faults: [],
  })
})

test('parseWrk() finds fault with answers that are errors', () => {
  expect(parseWrk(NOT_THERE).faults).toEqual([
    'wrk counted 22295 status errors among 22295 requests',
  ])
})

test.each(['connect', 'read', 'write', 'status', 'timeout'])(
  'parseWrk() finds fault with a %s error',
  (kind) => {
    const { faults } = parseWrk(WRITES.replace(`"${kind}":0`, `"${kind}":2`))

    expect(faults).toEqual([`wrk counted 2 ${kind} errors among 3785 requests`])
  },
)

test('parseWrk() refuses what is no report', () => {
  expect(() => parseWrk('unable to connect')).toThrow('unable to connect')
})

test('lua() quotes what it is given, and takes no more than it can quote', () => {
  const script = { method: 'PUT', path: '/k%d', body: '{"a":"\\\\"}' }

  expect(lua(script)).toContain('bodies = {"{\\"a\\":\\"\\\\\\\\\\"}"}')
  expect(() => lua({ ...script, body: 'é' })).toThrow('printable ASCII')
})
