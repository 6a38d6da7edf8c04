/** How often a program can ask the client's copy of a service for an instance. */
import { performance } from 'node:perf_hooks'
import { roundRobin, sticky, weightedRandom, zoneFirst } from '../../src/client/mod.ts'
import type { Picker } from '../../src/client/mod.ts'
import { clientOf, raised } from '../support/client.ts'
import { figure, type Figure, type Scenario } from './figure.ts'

const INSTANCES = 100
const PICKERS: readonly (readonly [string, Picker])[] = [
  ['weighted random', weightedRandom()],
  ['round robin', roundRobin()],
  ['zone first', zoneFirst('eu')],
  ['sticky', sticky()],
]

export const DISCOVER: Scenario = {
  run: async (cluster, seconds): Promise<Figure[]> => {
    await raised(cluster)
    await using client = clientOf(cluster)
    for (let i = 0; i < INSTANCES; i++) {
      const path = `/v1/services/picked/instances/i${i}`
      const json = { address: '10.0.0.1', port: 80, weight: 1 + (i % 3), zone: i % 2 ? 'eu' : 'us' }
      await client.request('PUT', path, { json })
    }
    await using service = await client.discover('picked')
    return PICKERS.map(([name, picker]) => {
      const pick = service.picking(picker)
      const endMs = performance.now() + (seconds * 1_000) / PICKERS.length
      const startMs = performance.now()
      let picks = 0
      while (performance.now() < endMs) {
        for (let i = 0; i < 10_000; i++) if (pick('user-1') !== null) picks++
      }
      const rate = (picks / (performance.now() - startMs)) * 1_000
      return figure(`discover from the client's copy, ${INSTANCES} instances: ${name}`, rate, '/s')
    })
  },
}
