import { guard } from '../lock/guard.ts'
import { lockRun } from '../lock/run.ts'
import { configExport, configImport } from './config-archive.ts'
import { configDiff } from './config-diff.ts'
import { configEdit } from './config-edit.ts'
import { configGet, configHistory, configList, configListeners } from './config-read.ts'
import { schemaDelete, schemaGet, schemaList, schemaPut } from './config-schema.ts'
import { stageAbort, stageGet, stageList, stagePromote, stagePut } from './config-stage.ts'
import { configDelete, configPut, configRollback } from './config-write.ts'
import { leaseGet, leaseGrant, leaseRenew, leaseRevoke } from './lease.ts'
import { lockGet, lockList, lockRelease } from './lock.ts'
import { serviceRegister } from './service-register.ts'
import { watchConfig, watchServices, watchTopics } from './watch.ts'
import { serviceDeregister, serviceDrain, serviceGet, serviceList } from './service.ts'

export const CALL_HANDLERS = {
  'config get': configGet,
  'config put': configPut,
  'config edit': configEdit,
  'config delete': configDelete,
  'config list': configList,
  'config history': configHistory,
  'config diff': configDiff,
  'config rollback': configRollback,
  'config watch': watchConfig,
  'config import': configImport,
  'config export': configExport,
  'config stage put': stagePut,
  'config stage list': stageList,
  'config stage get': stageGet,
  'config stage promote': stagePromote,
  'config stage abort': stageAbort,
  'config schema put': schemaPut,
  'config schema list': schemaList,
  'config schema get': schemaGet,
  'config schema delete': schemaDelete,
  'config listeners': configListeners,
  'service list': serviceList,
  'service get': serviceGet,
  'service register': serviceRegister,
  'service deregister': serviceDeregister,
  'service drain': serviceDrain,
  'service watch': watchServices,
  lock: lockRun,
  'lock list': lockList,
  'lock get': lockGet,
  'lock release': lockRelease,
  'lease grant': leaseGrant,
  'lease renew': leaseRenew,
  'lease revoke': leaseRevoke,
  'lease get': leaseGet,
  watch: watchTopics,
  import: configImport,
  __guard: guard,
}
