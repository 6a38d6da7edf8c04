import { unreachable } from '../lib/assert.ts'
import { sinceClusterVersion } from './codec/codec.ts'
import type { Command } from './command.ts'
import { configDelete, configPut } from './config/config.ts'
import { configRollback } from './config/rollback.ts'
import { configSchemaDelete, configSchemaPut } from './config/schemas.ts'
import type { Context } from './context.ts'
import { guarded } from './guarded.ts'
import { historyTrim } from './config/history.ts'
import {
  instanceDelete,
  instanceHealth,
  instancePatch,
  instancePut,
} from './services/instance-commands.ts'
import { keyed } from './keyed.ts'
import { leaseClear, leaseExpire, leaseGrant, leaseRemove } from './leases/commands.ts'
import { leaseRevoke, leaseSuspect } from './leases/commands.ts'
import { lockAcquire, lockCancel, lockGrant, lockRelease, lockValue } from './locks/commands.ts'
import type { Outcome } from './outcome.ts'
import { nodeOverrideDelete, nodeOverridePut } from './services/override-commands.ts'
import { overrideDelete, overridePut } from './services/override-commands.ts'
import { serviceDelete, servicePut } from './services/service-commands.ts'
import { raiseClusterVersion } from './settings.ts'
import { stageDelete, stagePromote, stagePut } from './stages/stage.ts'
import { txn } from './txn.ts'

/**
 * Applies one committed command inside the batch's transaction. Total: for every command that
 * can be decoded there is an outcome, the same on every replica.
 */
export function apply(context: Context, command: Command): Outcome {
  const { clusterVersion } = context
  if (sinceClusterVersion(command) > clusterVersion) {
    // Not all members know it yet, so a leader that proposed it was wrong: all refuse alike.
    return context.conflict(`${command.type} needs a newer clusterVersion than ${clusterVersion}`)
  }
  return dispatch(context, command)
}

/** What stands in another command comes back here. */
function dispatch(context: Context, command: Command): Outcome {
  const run = (inner: Command): Outcome => dispatch(context, inner)
  switch (command.type) {
    case 'instance_put':
      return instancePut(context, command)
    case 'instance_patch':
      return instancePatch(context, command)
    case 'instance_delete':
      return instanceDelete(context, command)
    case 'instance_health':
      return instanceHealth(context, command)
    case 'override_put':
      return overridePut(context, command)
    case 'override_delete':
      return overrideDelete(context, command)
    case 'node_override_put':
      return nodeOverridePut(context, command)
    case 'node_override_delete':
      return nodeOverrideDelete(context, command)
    case 'service_put':
      return servicePut(context, command)
    case 'service_delete':
      return serviceDelete(context, command)
    case 'lease_grant':
      return leaseGrant(context, command)
    case 'lease_revoke':
      return leaseRevoke(context, command)
    case 'lease_expire':
      return leaseExpire(context, command)
    case 'lease_remove':
      return leaseRemove(context, command)
    case 'lease_suspect':
      return leaseSuspect(context, command)
    case 'lease_clear':
      return leaseClear(context, command)
    case 'config_put':
      return configPut(context, command)
    case 'config_delete':
      return configDelete(context, command)
    case 'config_rollback':
      return configRollback(context, command)
    case 'config_schema_put':
      return configSchemaPut(context, command)
    case 'config_schema_delete':
      return configSchemaDelete(context, command)
    case 'history_trim':
      return historyTrim(context, command)
    case 'config_stage_put':
      return stagePut(context, command)
    case 'config_stage_delete':
      return stageDelete(context, command)
    case 'config_stage_promote':
      return stagePromote(context, command)
    case 'cluster_version':
      return raiseClusterVersion(context, command)
    case 'state_check':
      return context.check()
    case 'state_verdict':
      return context.verdict(command)
    case 'keyed':
      return keyed(context, command, run)
    case 'guarded':
      return guarded(context, command, run)
    case 'txn':
      return txn(context, command, run)
    case 'lock_acquire':
      return lockAcquire(context, command)
    case 'lock_cancel':
      return lockCancel(context, command)
    case 'lock_release':
      return lockRelease(context, command)
    case 'lock_value':
      return lockValue(context, command)
    case 'lock_grant':
      return lockGrant(context, command)
    default:
      return unreachable(command)
  }
}
