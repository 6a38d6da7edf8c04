/** The compose cluster. No engine runs here: what can be checked without one is checked. */
import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { findFlag, readArguments, readSettings, serveOptions, variableOf } from '../src/cli/mod.ts'

const ROOT = join(import.meta.dirname, '..')
const COMPOSE = join(ROOT, 'compose')

const Service = v.object({
  image: v.string(),
  build: v.object({ context: v.string(), dockerfile: v.string() }),
  command: v.array(v.string()),
  environment: v.record(v.string(), v.string()),
  ports: v.tuple([v.string()]),
  volumes: v.tuple([v.string()]),
  secrets: v.array(v.string()),
})
const File = v.object({
  services: v.record(v.string(), Service),
  secrets: v.record(v.string(), v.object({ file: v.string() })),
  volumes: v.record(v.string(), v.null()),
})

const file = v.parse(File, Bun.YAML.parse(readFileSync(join(COMPOSE, 'compose.yaml'), 'utf8')))
const SECRET = '0123456789abcdef0123456789abcdef'

function optionsOf(service: v.InferOutput<typeof Service>) {
  const readFile = (path: string): string => {
    const name = path.replace('/run/secrets/', '')
    if (!service.secrets.includes(name)) throw new Error(`${path} is not mounted`)
    return SECRET
  }
  const { command, flags } = readArguments(service.command)
  const settings = readSettings({ command, flags, env: service.environment, readFile })
  return serveOptions(settings, readFile)
}

test('compose: every node starts as the node that the cluster list names', () => {
  const ids = Object.keys(file.services)

  expect(ids).toEqual(['n1', 'n2', 'n3'])
  for (const [id, service] of Object.entries(file.services)) {
    const options = optionsOf(service)
    expect(options.id).toBe(id)
    expect(options.cluster?.map((node) => node.id)).toEqual(ids)
    expect(options.cluster?.find((node) => node.id === id)?.url).toBe(options.advertise ?? '')
    expect(options.advertise).toBe(`http://${id}:${options.listen.port}`)
    expect(options.clusterSecret).toHaveLength(SECRET.length)
    expect(service.volumes).toEqual([`${id}:${options.dataDir}`])
    expect(service.ports[0]).toMatch(/^127\.0\.0\.1:\d+:7400$/)
  }
})

test('compose: every variable belongs to a flag, every volume and secret is declared', () => {
  for (const service of Object.values(file.services)) {
    for (const variable of Object.keys(service.environment)) {
      const name = variable.replace('ROLLCALL_', '').toLowerCase().replaceAll('_', '-')
      expect(findFlag(name)?.commands, variable).toContain('serve')
      expect(variableOf(name)).toBe(variable)
    }
    for (const secret of service.secrets) expect(Object.keys(file.secrets)).toContain(secret)
    for (const volume of service.volumes) {
      expect(Object.keys(file.volumes)).toContain(volume.split(':')[0] ?? '')
    }
  }
  expect(new Set(Object.values(file.services).map((each) => each.ports[0])).size).toBe(3)
})

test('compose: the Dockerfile copies what exists, runs as a user, and its commands are ours', () => {
  const service = Object.values(file.services)[0]
  const context = join(COMPOSE, service?.build.context ?? '')
  const dockerfile = readFileSync(join(context, service?.build.dockerfile ?? ''), 'utf8')
  const ignored = readFileSync(join(COMPOSE, 'Dockerfile.dockerignore'), 'utf8').split('\n')

  for (const [, words = ''] of dockerfile.matchAll(/^COPY (?!--from)(.*)$/gm)) {
    for (const path of words.split(' ').slice(0, -1)) {
      expect(existsSync(join(ROOT, path)), path).toBe(true)
      expect(ignored, path).toContain(`!${path}`)
    }
  }
  expect(dockerfile).toMatch(/^USER \d+$/m)
  const [, health = ''] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(dockerfile) ?? []
  const [program, ...args] = v.parse(v.array(v.string()), JSON.parse(health))
  expect(program).toBe('rollcall')
  expect(readArguments(args).command).toBe('status')
})
