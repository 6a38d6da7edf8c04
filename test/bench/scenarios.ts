/** All that can be run, by name. */
import type { BenchRow } from './compare.ts'
import { CONFIG_VERSIONS } from './config-versions.ts'
import { DISCOVER } from './discover.ts'
import { failover } from './failover.ts'
import type { Scenario, Series } from './figure.ts'
import { HEARTBEAT_ROWS } from './heartbeats.ts'
import { IDLE, POLLING } from './idle.ts'
import { INSTANCES_100K } from './instances-100k.ts'
import { LARGE_SERVICE } from './large-service.ts'
import { LOAD_MODEL } from './load-model.ts'
import type { Catalogue } from './options.ts'
import { LOOKUP_ROWS, READ_ROWS } from './reads.ts'
import { REPLAY } from './replay.ts'
import { SCALING_INSTANCES, SCALING_KEYS, SCALING_NODES, SCALING_WATCHERS } from './scaling.ts'
import { SNAPSHOT } from './snapshot.ts'
import { WATCH, WATCH_CATCH_UP } from './watch.ts'
import { PUT_ROWS, REGISTER_ROWS } from './writes.ts'

/** Side by side with etcd: each row of a scenario runs on the same fresh clusters. */
export const COMPARED: ReadonlyMap<string, readonly BenchRow[]> = new Map([
  ['put', PUT_ROWS],
  ['register', REGISTER_ROWS],
  ['read', READ_ROWS],
  ['lookup', LOOKUP_ROWS],
  ['heartbeat', HEARTBEAT_ROWS],
])

const SCALING = new Map<string, Scenario | Series>([
  ['scaling-keys', SCALING_KEYS],
  ['scaling-instances', SCALING_INSTANCES],
  ['scaling-watchers', SCALING_WATCHERS],
  ['scaling-nodes', SCALING_NODES],
])

/** Ours alone, each on a fresh cluster. */
export const ALONE: ReadonlyMap<string, Scenario | Series> = new Map<string, Scenario | Series>([
  ['idle', IDLE],
  ['config-versions', CONFIG_VERSIONS],
  ['polls', POLLING],
  ['watch', WATCH],
  ['watch-catchup', WATCH_CATCH_UP],
  ['failover', { run: failover }],
  ['replay', REPLAY],
  ['snapshot', SNAPSHOT],
  ['discover', DISCOVER],
  ['instances-100k', INSTANCES_100K],
  ['large-service', LARGE_SERVICE],
  ['load-model', LOAD_MODEL],
  ...SCALING,
])

export const CATALOGUE: Catalogue = {
  scenarios: [...COMPARED.keys(), ...ALONE.keys()],
  groups: { compared: [...COMPARED.keys()], scaling: [...SCALING.keys()] },
  quick: 'compared',
}
