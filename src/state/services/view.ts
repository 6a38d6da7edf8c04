/** What follows from a row: pure, for the routes and for whoever chooses among instances. */
import type { InstanceStatus } from '../command.ts'
import type { InstanceRow, OverrideRow } from '../rows.ts'

type Override = Pick<OverrideRow, 'status'> | null
interface Overridden extends Pick<InstanceRow, 'spec'> {
  readonly override: Override
  readonly nodeOverride: Override
}

/** The operator's word on the instance, else on its host, else what it declares. */
export function effectiveStatus(instance: Overridden): InstanceStatus {
  return instance.override?.status ?? instance.nodeOverride?.status ?? instance.spec.status
}

/** Whether it should be given work (API.md "Services"). */
export function isAvailable(instance: Overridden & Pick<InstanceRow, 'health'>): boolean {
  return effectiveStatus(instance) === 'up' && instance.health !== 'critical'
}
