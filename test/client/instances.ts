import type { Instance } from '../../src/client/mod.ts'

export function instance(id: string, of: Partial<Instance> = {}): Instance {
  return {
    ns: 'default',
    service: 'web',
    id,
    node: null,
    zone: null,
    cluster: null,
    address: '10.0.0.1',
    port: 80,
    ports: {},
    addresses: {},
    tags: [],
    metadata: {},
    weight: 1,
    status: 'up',
    health: 'passing',
    override: null,
    available: true,
    persistent: false,
    revision: 1,
    ...of,
  }
}
