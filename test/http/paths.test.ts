import { expect, test } from 'bun:test'
import { connect } from 'node:net'

import { array, asyncProperty, assert, constantFrom, string } from 'fast-check'

import { rawPath } from '../../src/http/request/path.ts'
import { jsonOf, testApi } from './support.ts'

const ALPHABET = 'aZ09._-:@~+/'
const ESCAPES = ['%2F', '%2f', '%2e', '%2E%2e', '%00', '%25', '%ff', '%', '%c3%a9', '%CC%81', '%5C']
const PIECES = [...ESCAPES, ...'aZ0._-:@~+/\\?&=#;, é💥', '..', './', '//', '{', '}', '*']

/** The rule of API.md, written out a second time and more simply. */
function isKey(text: string): boolean {
  const segments = text.split('/')
  return text.length <= 512 && segments.every((segment) => !['', '.', '..'].includes(segment))
}

test('a config key comes back as it was written, however it is encoded', async () => {
  const { call } = await testApi()
  const key = array(constantFrom(...ALPHABET), { minLength: 1, maxLength: 40 }).map((all) =>
    all.join(''),
  )
  await assert(
    asyncProperty(key.filter(isKey), async (key) => {
      const whole = encodeURIComponent(key)
      const segments = key.split('/').map(encodeURIComponent).join('/')
      const every = Array.from(key, (c) => `%${c.charCodeAt(0).toString(16)}`).join('')

      const put = await call(`PUT /v1/config/${whole}`, { body: key })

      expect(jsonOf(put)['key']).toBe(key)
      for (const path of [key, segments, every]) {
        expect((await call(`GET /v1/config/${path}`)).text).toBe(key)
      }
    }),
    { numRuns: 60 },
  )
})

test('no path and no query makes the node fail, or a strange name pass', async () => {
  const { call, registry } = await testApi()
  const noise = array(constantFrom(...PIECES), { maxLength: 12 }).map((all) => all.join(''))
  const base = constantFrom(
    '/v1/config/',
    '/v1/services/',
    '/v1/services/a/instances/',
    '/v1/',
    '/',
  )
  await assert(
    asyncProperty(
      base,
      noise,
      constantFrom('PUT', 'GET', 'DELETE'),
      async (base, noise, method) => {
        const answer = await call(`${method} ${encodeSpaces(base + noise)}`)
        expect(answer.status).toBeLessThan(500)
      },
    ),
    { numRuns: 500 },
  )
  for (const command of registry.proposed) {
    if ('key' in command && typeof command.key === 'string') {
      expect(isKey(command.key)).toBe(true)
      expect(command.key).toMatch(/^[A-Za-z0-9._\-:@~+/]+$/)
    }
  }
})

test('what a key is does not depend on how it was encoded, on any route that names one', async () => {
  const { call, registry } = await testApi()
  registry.apply({ type: 'cluster_version', version: 3 })
  const characters = [...'aZ9._-:@~+/']
  const keys = array(constantFrom(...characters), { minLength: 1, maxLength: 12 })
  const escapes = array(constantFrom(true, false), { minLength: 12, maxLength: 12 })
  const route = constantFrom('config', 'config-history', 'config-diff', 'config-rollback')
  await assert(
    asyncProperty(keys, escapes, route, async (letters, isEscaped, name) => {
      const key = letters.join('')
      const encoded = letters
        .map((letter, i) =>
          isEscaped[i] === true ? `%${letter.charCodeAt(0).toString(16)}` : letter,
        )
        .join('')
      const line = name === 'config-rollback' ? 'POST' : 'GET'
      const init = name === 'config-rollback' ? { body: { to: 1 } } : {}
      const answers = await Promise.all(
        [key, encoded].map((path) => call(`${line} /v1/${name}/${path}`, init)),
      )
      const [plain, escaped] = answers.map(({ status, text }) => [status, strip(text)])
      // A literal dot segment is resolved by every URL parser before anybody sees it.
      if (key.split('/').some((part) => part === '.' || part === '..')) return
      expect(escaped).toEqual(plain)
    }),
    { numRuns: 400 },
  )
})

/** Without what differs from answer to answer. */
function strip(text: string): string {
  return text.replaceAll(/"revision":\d+/g, '')
}

test('no header makes the node fail', async () => {
  const { call } = await testApi()
  const header = constantFrom('If-Match', 'If-None-Match', 'Rollcall-Namespace', 'Host', 'Origin')
  const value = string({ maxLength: 30 }).map((text) => text.replaceAll(/[^\x21-\x7e]/g, '"'))
  await assert(
    asyncProperty(header, value, constantFrom('PUT', 'GET'), async (header, value, method) => {
      const answer = await call(`${method} /v1/config/k`, { headers: { [header]: value } })
      expect(answer.status).toBeLessThan(500)
    }),
    { numRuns: 300 },
  )
})

function encodeSpaces(path: string): string {
  return path.replaceAll(' ', '%20')
}

test.each([
  ['http://h/v1/a?b#c', '/v1/a'],
  ['http://h/v1/a#c?b', '/v1/a'],
  ['http://h', '/'],
  ['/v1/a?b', '/v1/a'],
  ['http://h/v1/a/%2e%2E/b', '/v1/b'],
  ['http://h/v1/a/../b', '/v1/b'],
  ['http://h/v1/a\\..\\b', '/v1/a%5C..%5Cb'],
  ['http://h/v1/a%2F..%2Fb', '/v1/a%2F..%2Fb'],
  ['http://h/v1/.env', '/v1/.env'],
  ['http://h/v1/a//b', '/v1/a//b'],
  ['http://user:pass@h:1/x', '/x'],
] as const)('rawPath() of %s is %s', (url, path) => {
  // Some servers hand over URLs that are not normalised, which a Request cannot hold.
  expect(rawPath({ url } as Request)).toBe(path)
})

/** What the server makes of bytes that no client library would send. */
async function raw(port: number, text: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let answer = ''
  const socket = connect(port, '127.0.0.1', () => socket.write(text))
  socket.on('data', (data) => (answer += String(data)))
  socket.on('close', () => resolve(answer))
  return promise
}

test('over a real socket: hosts, dot segments and chunks are judged as they arrive', async () => {
  const { app, registry } = await testApi()
  const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request) => app.fetch(request),
  })
  const port = server.port ?? 0
  const get = (path: string, head: string) =>
    raw(port, `GET ${path} HTTP/1.1\r\n${head}\r\nConnection: close\r\n\r\n`)
  try {
    expect(await get('/v1/services', 'Host: localhost')).toStartWith('HTTP/1.1 200')
    expect(await get('/v1/services', 'Host: evil.example')).toStartWith('HTTP/1.1 403')
    expect(await get('/v1/services', 'Host: localhost\r\nHost: evil.example')).toStartWith(
      'HTTP/1.1 403',
    )
    expect(await get('http://localhost/v1/services', 'Host: evil.example')).toStartWith(
      'HTTP/1.1 403',
    )
    expect(await get('/v1/config/../services', 'Host: localhost')).toContain('"services":[]')
    expect(await get('/v1/config/%2e%2e/services', 'Host: localhost')).toContain('"services":[]')
    expect(await get('/v1/config/a%2F..%2Fb', 'Host: localhost')).toStartWith('HTTP/1.1 400')
    expect(await raw(port, 'GET /v1/services HTTP/1.0\r\n\r\n')).toStartWith('HTTP/1.1 200')

    const head = 'PUT /v1/config/k HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n'
    const chunks = `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`
    expect(await raw(port, chunks)).toStartWith('HTTP/1.1 201')
    expect(registry.local.config('default', 'k')?.value).toEqual(new TextEncoder().encode('abcde'))
    expect(await raw(port, `${head}Content-Length: 9999999\r\n\r\n`)).toStartWith('HTTP/1.1 413')
  } finally {
    await server.stop(true)
  }
})
