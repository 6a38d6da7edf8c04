/** `GET /metrics`: the Prometheus text format, version 0.0.4. */
import { Hono } from 'hono'

import type { Edge, Env, RequestCounts } from '../edge.ts'
import { Query } from '../request/query.ts'
import { readable } from '../unknown-route.ts'

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
const ROLES = ['leader', 'follower', 'candidate', 'learner', 'witness']

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export function metricsRoutes(edge: Edge): Hono<Env> {
  return new Hono<Env>().get('/metrics', (c) => {
    new Query(c.req.url).allow([])
    const text = [statusText(edge), registryText(edge), requestsText(edge.requests)].join('')
    return new Response(text, { headers: { 'Content-Type': CONTENT_TYPE } })
  })
}

function statusText({ registry, version }: Edge): string {
  const status = registry.status()
  const build = { labels: { version, sqlite: status.sqlite }, value: 1 }
  const roles = ROLES.map((role) => ({ labels: { role }, value: Number(status.role === role) }))
  return [
    gauge('build_info', 'The version that runs, and its SQLite driver.', [build]),
    gauge('role', '1 for the role that this node has in its cluster.', roles),
    gauge('has_leader', 'Whether a leader is known here.', plain(Number(status.leader !== null))),
    gauge('term', 'The term of Raft.', plain(status.term)),
    gauge('commit_index', 'The last log index known to be committed.', plain(status.commitIndex)),
    gauge('applied_index', 'The last log index in the state.', plain(status.appliedIndex)),
    gauge('uptime_seconds', 'Since this node started.', plain(status.uptimeMs / 1_000)),
    gauge('wal_bytes', 'Size of the log on disk.', plain(status.storage.walBytes)),
    gauge('state_bytes', 'Size of the state on disk.', plain(status.storage.stateBytes)),
  ].join('')
}

function plain(value: number): readonly Sample[] {
  return [{ labels: {}, value }]
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return family({ name: `rollcall_${name}`, help, type: 'gauge' }, samples)
}

/** What the node counts. By the naming rule of Prometheus `_total` ends the name of a counter. */
function registryText({ registry }: Edge): string {
  return Array.from(registry.metrics(), ([given, value]) => {
    const word = given.replaceAll(/[^A-Za-z0-9_]/g, '_')
    const name = word.startsWith('rollcall_') ? word : `rollcall_${word}`
    const type = name.endsWith('_total') ? 'counter' : 'gauge'
    const help = `The node's ${type} "${word.replace(/^rollcall_/, '').replaceAll('_', ' ')}".`
    return family({ name, help, type }, [{ labels: {}, value }])
  }).join('')
}

function requestsText(requests: RequestCounts): string {
  const samples = Array.from(requests, ([key, value]) => {
    const [method = '', route = '', status = ''] = key.split(' ')
    return { labels: { method, route: readable(route), status }, value }
  })
  const help = 'Requests answered, by method, route and status.'
  return family({ name: 'rollcall_http_requests_total', help, type: 'counter' }, samples)
}

interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
}

function family({ name, help, type }: Family, samples: readonly Sample[]): string {
  const lines = samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}\n`)
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
