import type { Scenario } from '../scenario.ts'
import { CLOCK_DRIFT, CLOCK_JUMPS } from './clocks.ts'
import { DAMAGE } from './damage.ts'
import { DISK_ERRORS } from './disk-errors.ts'
import { FULL_DISK } from './full-disk.ts'
import { POWER_LOSS } from './power-loss.ts'
import { SYNC_KILLS } from './sync-kills.ts'
import { UNDER_LOAD } from './under-load.ts'

export const SCENARIOS: readonly Scenario[] = [
  ...UNDER_LOAD,
  POWER_LOSS,
  SYNC_KILLS,
  DISK_ERRORS,
  FULL_DISK,
  DAMAGE,
  CLOCK_JUMPS,
  CLOCK_DRIFT,
]
