/**
 * Random requests to the API: keys in every spelling, bodies that are nearly right, parameters and
 * headers that are not. Which routes there are is asked of the app itself, so that a new one is
 * hurt without anybody remembering to.
 */
import {
  array,
  constant,
  constantFrom,
  dictionary,
  double,
  integer,
  jsonValue,
  oneof,
  option,
  record,
  string,
  tuple,
  uint8Array,
  type Arbitrary,
} from 'fast-check'
import { createApp } from '../../src/http/mod.ts'
import { LocalRegistry } from './local-registry.ts'
import type { RawRequest } from './raw-http.ts'

/** Of keys that API.md allows. */
const KEY_CHARACTERS = [...'azAZ09._-:@~+']
/** Spellings that mean something to one reader of a URL or another. */
const SPELLINGS =
  '%2F %2f %2e %2E%2e %252F %25252e . .. / // \\ %5C %00 %0a %7F %25 %ff %C3%28 %c3%a9 e%CC%81 ' +
  '%F0%9F%92%A5 % %zz %u0041 + %20 %2B ? # ; & = , é 💥 ‮ a b Z 0 _ - : @ ~ * {} | " < ^ `'
const PIECES = SPELLINGS.split(' ')

/** A key that is allowed, and has no dot segment, which a URL would resolve. */
export const goodKey: Arbitrary<string> = array(
  string({ unit: constantFrom(...KEY_CHARACTERS), minLength: 1, maxLength: 12 }).filter(
    (segment) => segment !== '.' && segment !== '..',
  ),
  { minLength: 1, maxLength: 5 },
).map((segments) => segments.join('/'))

/** Each character as itself or in percent-encoding, in either case. */
export function spelled(key: string): Arbitrary<string> {
  const ways = Array.from(key, (character) => {
    const code = character.charCodeAt(0).toString(16)
    return constantFrom(character, `%${code.toUpperCase()}`, `%${code.toLowerCase()}`)
  })
  return tuple(...ways).map((all) => all.join(''))
}

/** A good key with one odd spelling in it: what is refused for two reasons proves neither. */
const oddKey = tuple(goodKey, constantFrom(...PIECES), goodKey).map((all) => all.join(''))

/** As it would stand on a request line, which ends at a space. */
export const noisyPath: Arbitrary<string> = oneof(
  { weight: 9, arbitrary: oddKey },
  {
    weight: 9,
    arbitrary: array(constantFrom(...PIECES), { maxLength: 12 }).map((p) => p.join('')),
  },
  { weight: 1, arbitrary: integer({ min: 120, max: 9_000 }).map((length) => 'k'.repeat(length)) },
)

/** Words of the contract: fields, and values that some of them take. */
const FIELDS =
  'address port ttl removeAfter status weight tags metadata zone node cluster ports addresses reason ' +
  'health note instances leases service id owner key value valueBase64 contentType comment lease to ' +
  'token limit wait name if then else op config version lock instance exists prefix schema rule role ' +
  'url force members voters stage __proto__ constructor'
const VALUES =
  '10.0.0.1 ::1 web-1 10m 1h 5000 0s never up draining passing critical voter text/plain eu * a/b a ' +
  'config.put config.delete config.get config.rollback instance.put instance.patch instance.delete ' +
  'lock.release __proto__ %2F \u0000 \ud800 e\u0301 💥'

const field = constantFrom(...FIELDS.split(' '))
const value = oneof(
  constantFrom<unknown>(...VALUES.split(' '), '', null, true, false, [], {}),
  oneof(integer(), double(), constantFrom(0, -0, 1, 80, 99_999, 2 ** 53, 1e308)),
  string({ unit: 'binary', maxLength: 20 }),
  jsonValue({ maxDepth: 3 }),
)
const fields = dictionary(field, value, { maxKeys: 8 })
const deep = dictionary(field, oneof(value, fields, array(fields, { maxLength: 4 })), {
  maxKeys: 6,
})

/** Right ones, so that not everything ends in the same refusal. */
const plausible = constantFrom(
  '{"address":"10.0.0.1","port":80}',
  '{"address":"db.internal","ttl":"10m","weight":0,"tags":["a"],"metadata":{"version":"2"}}',
  '{"status":"draining","reason":"deploy"}',
  '{"health":"critical","note":"disk"}',
  '{"ttl":"10m","owner":"worker"}',
  '{"owner":"worker","ttl":"10m","limit":2}',
  '{"token":1}',
  '{"to":1}',
  '{"instances":[{"service":"web","id":"a"}],"leases":["a"]}',
  '{"if":[{"config":"a","version":0}],"then":[{"op":"config.put","key":"a","value":"x"}]}',
  '{"then":[{"op":"instance.put","service":"web","id":"a","address":"10.0.0.1"}],"else":[]}',
  '{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}',
)

const text = oneof(
  { weight: 2, arbitrary: oneof(deep, value).map((json) => JSON.stringify(json) ?? '') },
  { weight: 1, arbitrary: plausible },
)
const body: Arbitrary<Uint8Array> = oneof(
  { weight: 8, arbitrary: text.map((json) => new TextEncoder().encode(json)) },
  { weight: 1, arbitrary: text.map((json) => new TextEncoder().encode(json.slice(0, -1))) },
  { weight: 1, arbitrary: text.map((json) => new TextEncoder().encode(`\uFEFF${json}`)) },
  { weight: 1, arbitrary: constantFrom(5_000, 200_000).map(nested) },
  { weight: 2, arbitrary: uint8Array({ maxLength: 64 }) },
)

function nested(depth: number): Uint8Array {
  return new TextEncoder().encode('['.repeat(depth))
}

const QUERY =
  'ns timeout consistency max-staleness min-revision since wait prefix limit cursor values available ' +
  'status tag comment lease version labels token force dryRun nonsense metadata.a'
const QUERY_VALUES =
  '1 0 -1 1e3 3 x a 100ms 50ms 1s 5 lease stale linearizable true false 99999999999999999999 %00 %ff %zz ' +
  '%2F a%20b é 💥 __proto__'

const parameter = tuple(
  constantFrom(...QUERY.split(' ')),
  constantFrom('', ...QUERY_VALUES.split(' ')),
).map(([name, given]) => `${name}=${given}`)
const query = oneof(
  { weight: 3, arbitrary: constant('') },
  {
    weight: 2,
    arbitrary: array(parameter, { minLength: 1, maxLength: 4 }).map((all) => `?${all.join('&')}`),
  },
)

const HEADERS =
  'If-Match If-None-Match Rollcall-Namespace Idempotency-Key Rollcall-Lock Rollcall-Labels ' +
  'Rollcall-Stage-Rule Rollcall-Author Content-Type Content-Encoding Accept Last-Event-ID Range Expect-Nothing'
const headerValue = oneof(
  constantFrom('"1"', '1', '*', 'W/"1"', 'a', 'a=1', 'zone=eu;percent=10', 'application/json', ''),
  // What may stand in a field: no control characters, and nothing beyond Latin-1.
  string({ unit: constantFrom(...' !"#%&\'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~é'), maxLength: 40 }),
)
const headers = oneof(
  { weight: 3, arbitrary: constant([]) },
  {
    weight: 2,
    arbitrary: array(tuple(constantFrom(...HEADERS.split(' ')), headerValue), { maxLength: 3 }),
  },
)

/** What changes members, ends streams late, or takes long on purpose is tested by name elsewhere. */
const LEFT_OUT = /^\/v1\/(cluster\/members|watch)/

/** One request to any route that writes, or to none. */
export async function apiNoise(): Promise<Arbitrary<RawRequest>> {
  const { routes } = createApp({ registry: await LocalRegistry.open(), version: '0' })
  const writes = routes.filter(
    ({ method, path }) => /^(PUT|POST|PATCH|DELETE)$/.test(method) && !LEFT_OUT.test(path),
  )
  const line = constantFrom(...writes).chain(({ method, path }) =>
    tuple(constant(method), target(path)),
  )
  return tuple(line, query, headers, option(body, { freq: 8 })).map(
    ([[method, path], given, fields, content]) => ({
      method,
      target: `${path}${given}`,
      headers: fields,
      body: content,
    }),
  )
}

/** The route with names for its parameters: mostly good ones, so that the body is looked at. */
function target(path: string): Arbitrary<string> {
  const parts = path.split('/').map((part): Arbitrary<string> => {
    if (!part.startsWith(':')) return constant(part)
    return oneof(
      { weight: 6, arbitrary: constantFrom('web', 'a', 'b', 'web-1', 'app%2Fa') },
      { weight: 1, arbitrary: noisyPath },
    )
  })
  return tuple(...parts).map((all) => all.join('/'))
}

export const rawNoise: Arbitrary<Uint8Array> = oneof(
  uint8Array({ maxLength: 400 }),
  record({
    line: string({ unit: 'binary', maxLength: 60 }),
    rest: uint8Array({ maxLength: 60 }),
  }).map(({ line, rest }) => Buffer.concat([Buffer.from(`PUT ${line} HTTP/1.1\r\n\r\n`), rest])),
)
