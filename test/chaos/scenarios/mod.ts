import type { Scenario } from '../scenario.ts'
import { UNDER_LOAD } from './under-load.ts'

export const SCENARIOS: readonly Scenario[] = [...UNDER_LOAD]
