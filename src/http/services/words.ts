/** The words that declared status and health are made of. */
import type { Health, InstanceStatus } from '../../state/command.ts'

export const INSTANCE_STATUS = [
  'starting',
  'up',
  'draining',
  'down',
] as const satisfies readonly InstanceStatus[]

export const HEALTH = ['passing', 'warning', 'critical'] as const satisfies readonly Health[]
