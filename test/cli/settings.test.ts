import { expect, test } from 'bun:test'
import { readArguments, readSettings, serveOptions } from '../../src/cli/mod.ts'

interface Given {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

function settingsOf({ args = [], env = {}, files = {} }: Given) {
  const { command, flags } = readArguments(['serve', ...args])
  return readSettings({ command, flags, env, readFile: readIn(files) })
}

function optionsOf(given: Given) {
  return serveOptions(settingsOf(given), readIn(given.files ?? {}))
}

function readIn(files: Readonly<Record<string, string>>) {
  return (path: string): string => {
    const text = files[path]
    if (text === undefined) throw new Error('no such file')
    return text
  }
}

test('serveOptions() without flags is one node on loopback with the timing of a LAN', () => {
  expect(optionsOf({})).toEqual({
    id: null,
    listen: { host: '127.0.0.1', port: 7400 },
    peerListen: null,
    advertise: null,
    dialsOnly: false,
    dataDir: 'rollcall-data',
    cluster: null,
    join: null,
    witness: false,
    clusterSecret: new Uint8Array(0),
    heartbeatMs: 100,
    electionMinMs: 600,
    electionMaxMs: 1_000,
    removeDeadAfterMs: null,
    history: { versions: 1_000, ageMs: 0, feedMs: 3_600_000, feedRevisions: 1_000_000 },
    clockDrift: 0.05,
    sqlite: null,
    walSegmentBytes: 67_108_864,
    walTailBytes: 67_108_864,
    walBytesMax: 1_073_741_824,
    checkpointBytes: 16_777_216,
    applyEntriesMax: 1_000,
  })
})

test('serveOptions() reads every flag', () => {
  const line =
    '--id=n2 --listen 127.0.0.1:7402 --peer-listen [::1]:7502 --data d ' +
    '--cluster n3=http://127.0.0.1:7403,n2=http://127.0.0.1:7402/ --heartbeat 50ms ' +
    '--election-timeout 300ms..2s --remove-dead-after 10m --history-versions 5 --history-age 720h --watch-history 10m --watch-history-max 5000 --clock-drift 0.5% --sqlite sql.js --wal-segment 4MiB --wal-tail 64KiB --wal-max 1MiB --checkpoint-size 128KiB --apply-batch 500 ' +
    '--cluster-secret-file secret'
  const args = line.split(' ')
  const files = { secret: '0123456789abcdef\n' }

  expect(optionsOf({ args, files })).toEqual({
    id: 'n2',
    listen: { host: '127.0.0.1', port: 7402 },
    peerListen: { host: '::1', port: 7502 },
    advertise: 'http://127.0.0.1:7402',
    dialsOnly: false,
    dataDir: 'd',
    cluster: [
      { id: 'n2', url: 'http://127.0.0.1:7402' },
      { id: 'n3', url: 'http://127.0.0.1:7403' },
    ],
    join: null,
    witness: false,
    clusterSecret: new TextEncoder().encode('0123456789abcdef'),
    heartbeatMs: 50,
    electionMinMs: 300,
    electionMaxMs: 2_000,
    removeDeadAfterMs: 600_000,
    history: { versions: 5, ageMs: 2_592_000_000, feedMs: 600_000, feedRevisions: 5_000 },
    clockDrift: 0.005,
    sqlite: 'sql.js',
    walSegmentBytes: 4_194_304,
    walTailBytes: 65_536,
    walBytesMax: 1_048_576,
    checkpointBytes: 131_072,
    applyEntriesMax: 500,
  })
})

test('readSettings() lets a flag win over a variable, a variable over the file, that over defaults', () => {
  const files = { 'c.json': '{"id": "file", "data": "file", "sqlite": "node", "insecure": true}' }
  const env = { ROLLCALL_ID: 'env', ROLLCALL_DATA: 'env', ROLLCALL_CONFIG: 'c.json' }
  const settings = settingsOf({ args: ['--id', 'flag'], env, files })

  expect(settings.value('id')).toBe('flag')
  expect(settings.value('data')).toBe('env')
  expect(settings.value('sqlite')).toBe('node')
  expect(settings.value('insecure')).toBe(true)
  expect(settings.need('timing')).toBe('lan')
  expect(settings.nameOf('id')).toBe('--id')
  expect(settings.nameOf('data')).toBe('ROLLCALL_DATA')
  expect(settings.nameOf('sqlite')).toBe('"sqlite" in c.json')
})

test('readSettings() takes the last of two flags, and an empty variable for none', () => {
  const settings = settingsOf({ args: ['--id', 'a', '--id', 'b'], env: { ROLLCALL_DATA: '' } })

  expect(settings.value('id')).toBe('b')
  expect(settings.value('data')).toBeNull()
})

test('readSettings() accepts the keys of other commands in a shared file', () => {
  const files = { c: '{"nodes": 5, "endpoint": "http://a:1"}' }

  expect(settingsOf({ args: ['--config', 'c'], files }).value('nodes')).toBeNull()
})

test('readSettings() points out variables that are nearly ours, and leaves others alone', () => {
  const env = { ROLLCALL_LISTN: 'x', ROLLCALL_PORT_7400_TCP: 'tcp://10.0.0.1:7400', LISTEN: 'x' }

  expect(settingsOf({ env }).suspects).toEqual([
    'ROLLCALL_LISTN means nothing; did you mean ROLLCALL_LISTEN?',
  ])
})

test('serveOptions() takes a wider network from --timing, and single times from their flags', () => {
  const wan = optionsOf({ args: ['--timing', 'wan', '--heartbeat', '1s'] })

  expect(wan).toMatchObject({ heartbeatMs: 1_000, electionMinMs: 3_000, electionMaxMs: 5_000 })
})

test('serveOptions() takes a witness by flag or role, and keeps its disk small', () => {
  const join = ['--join', 'http://127.0.0.1:7401', '--wal-segment', '64MiB']
  const byFlag = optionsOf({ args: [...join, '--witness'] })

  expect(byFlag).toMatchObject({ witness: true, join: { role: 'voter' } })
  expect(byFlag.walSegmentBytes + byFlag.walTailBytes).toBeLessThan(2 * 1_024 * 1_024)
  expect(optionsOf({ args: [...join, '--role', 'witness'] })).toEqual(byFlag)
  expect(optionsOf({ args: join }).witness).toBe(false)
})

test('serveOptions() beyond loopback wants a secret of 16 bytes', () => {
  const args = ['--listen', '0.0.0.0:7400', '--insecure', '--advertise', 'http://n1:7400']
  const withSecret = (secret: string) =>
    optionsOf({ args: [...args, '--cluster-secret-file', 's'], files: { s: secret } })

  expect(() => optionsOf({ args })).toThrow('--cluster-secret-file is missing')
  expect(() => withSecret('short\n')).toThrow('shorter than 16 bytes')
  expect(withSecret('0123456789abcdef').clusterSecret).toHaveLength(16)
})

test.each([
  ['--advertise none'],
  ['--listen 0.0.0.0:7401 --insecure --cluster-secret-file s --advertise none'],
  ['--id n1 --cluster n1=none,n2=http://127.0.0.1:7402'],
  ['--id n1 --cluster n1=none,n2=http://127.0.0.1:7402 --advertise none'],
])('serveOptions() knows a node that only dials: %s', (line) => {
  const options = optionsOf({ args: line.split(' '), files: { s: '0123456789abcdef' } })

  expect(options).toMatchObject({ advertise: null, dialsOnly: true })
})

test('serveOptions() lets the listed URL differ from the listener where --advertise is given', () => {
  const cluster = ['--id', 'n1', '--cluster', 'n1=http://127.0.0.1:9000']

  expect(() => optionsOf({ args: cluster })).toThrow('let them agree, or give --advertise')
  expect(optionsOf({ args: [...cluster, '--advertise', 'http://127.0.0.1:9001'] })).toMatchObject({
    advertise: 'http://127.0.0.1:9001',
  })
})
