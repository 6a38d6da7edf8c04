/** `wrk`: HTTP/1.1 requests over so many connections, one in flight on each, from one thread. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Load } from './load.ts'
import { inFolder, isThere, output } from './tool.ts'

/**
 * What each request is. `%d` in path and body counts through `names` numbers; `%h` is the hundred that
 * the number belongs to, 3 for 345.
 */
export interface Script {
  readonly method: string
  readonly path: string
  /** Of several bodies each request takes the next. */
  readonly body: string | readonly string[]
  /** 1,000 where it is not said. */
  readonly names?: number
  /** Numbers in turn (then every request is made once and sent again), or any of them. */
  readonly order?: 'in turn' | 'random'
}

/** So many of each kind in turn. */
export type Mix = readonly { readonly share: number; readonly script: Script }[]

export interface WrkLoad {
  readonly connections: number
  readonly seconds: number
  readonly script: Script | Mix
}

export interface WrkResult extends Load {
  /** Answered a second. */
  readonly rate: number
  readonly meanMs: number
  /** All that was received, headers too. */
  readonly bytes: number
}

/** Longer than any answer may take: wrk counts a later one as a timeout. */
const TIMEOUT = '20s'
const NAMES = 1_000

/** One run; null where it is not installed. */
export async function wrk(url: string, load: WrkLoad): Promise<WrkResult | null> {
  if (!isThere('wrk')) return null
  return inFolder(async (folder) => {
    const file = join(folder, 'load.lua')
    writeFileSync(file, lua(load.script))
    const shape = ['-t1', `-c${load.connections}`, `-d${load.seconds}`, '--timeout', TIMEOUT]
    return parseWrk(await output(['wrk', ...shape, '-s', file, url]))
  })
}

/** What our script prints last, after `wrk`'s own words. */
interface Said {
  readonly requests: number
  readonly us: number
  readonly bytes: number
  readonly connect: number
  readonly read: number
  readonly write: number
  readonly status: number
  readonly timeout: number
  readonly mean: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

export function parseWrk(text: string): WrkResult {
  const line = text.split('\n').findLast((candidate) => candidate.startsWith('{'))
  if (line === undefined) throw new Error(`wrk said nothing of what it did:\n${text}`)
  const said = JSON.parse(line) as Said
  const faults = (['connect', 'read', 'write', 'status', 'timeout'] as const)
    .filter((kind) => said[kind] > 0)
    .map((kind) => `wrk counted ${said[kind]} ${kind} errors among ${said.requests} requests`)
  const seconds = said.us / 1e6
  return {
    count: said.requests,
    seconds,
    rate: said.requests / seconds,
    bytes: said.bytes,
    meanMs: said.mean / 1_000,
    p50Ms: said.p50 / 1_000,
    p99Ms: said.p99 / 1_000,
    p999Ms: said.p999 / 1_000,
    faults,
  }
}

/**
 * The script. Making a request costs wrk more than sending it, and it shares the machine with the
 * servers: so where the names come in turn each request is made once.
 */
export function lua(given: Script | Mix): string {
  const mix = 'method' in given ? [{ share: 1, script: given }] : given
  return `local parts = {
${mix.map(({ share, script }) => `  ${partOf(script, share)},`).join('\n')}
}
local slots = {}
local turn = -1

local function filled(text, name)
  return (text:gsub('%%d', name):gsub('%%h', math.floor(name / 100)))
end

local function make(part, name)
  local body = part.bodies[name % #part.bodies + 1]
  if body == '' then body = nil else body = filled(body, name) end
  return wrk.format(part.method, filled(part.path, name), nil, body)
end

init = function()
  math.randomseed(1)
  for _, part in ipairs(parts) do
    for _ = 1, part.share do table.insert(slots, part) end
  end
end

request = function()
  turn = turn + 1
  local part = slots[turn % #slots + 1]
  if part.random then return make(part, math.random(0, part.names - 1)) end
  part.turn = (part.turn + 1) % part.names
  local request = part.made[part.turn]
  if request == nil then
    request = make(part, part.turn)
    part.made[part.turn] = request
  end
  return request
end

done = function(summary, latency)
  local e = summary.errors
  local counts = string.format('"requests":%d,"us":%d,"bytes":%d',
    summary.requests, summary.duration, summary.bytes)
  local errors = string.format('"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d',
    e.connect, e.read, e.write, e.status, e.timeout)
  local us = string.format('"mean":%.0f,"p50":%.0f,"p99":%.0f,"p999":%.0f',
    latency.mean, latency:percentile(50), latency:percentile(99), latency:percentile(99.9))
  io.write('{', counts, ',', errors, ',', us, '}\\n')
end
`
}

function partOf(script: Script, share: number): string {
  const { method, path, body, names = NAMES, order = 'in turn' } = script
  const bodies = (typeof body === 'string' ? [body] : body).map(quoted).join(', ')
  const how = `share = ${share}, names = ${names}, random = ${order === 'random'}`
  const what = `method = ${quoted(method)}, path = ${quoted(path)}, bodies = {${bodies}}`
  return `{ ${how}, turn = -1, made = {}, ${what} }`
}

/** A string of JSON is one of Lua too, as long as all in it is printable ASCII. */
function quoted(text: string): string {
  if (!/^[\x20-\x7e]*$/.test(text)) throw new Error('a script takes printable ASCII alone')
  return JSON.stringify(text)
}
