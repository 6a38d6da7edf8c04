/**
 * Clocks that lie, by libfaketime: the wall clock of one node jumps by an hour and back, and clocks
 * run at rates that differ by as much as `--clock-drift` allows. Wall jumps change no result;
 * drift within the bound makes no lease read stale, and no TTL shorter than the bound says.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from '../../support/program.ts'
import { TINY } from '../../support/cluster.ts'
import { inArena } from '../arena.ts'
import { faketimeLibrary } from '../machine.ts'
import { KILL } from '../nemeses/kill.ts'
import { LINKS } from '../nemeses/links.ts'
import { PAUSE } from '../nemeses/pause.ts'
import type { Run } from '../run.ts'
import type { Scenario } from '../scenario.ts'
import { strikeOn } from './strike-on.ts'

const JUMPS_S = [-3_600, -60, -1, 0, 1, 60, 3_600]
/** Of the three nodes: one fast, one slow, one right. */
const RATES = [1.05, 0.95, 1]
/** The shortest that a TTL can be on the fastest clock. */
const RATE = 0.95

function under(variables: Readonly<Record<string, string>>): readonly string[] {
  const all = { LD_PRELOAD: faketimeLibrary() ?? '', ...variables }
  return ['env', ...Object.entries(all).map(([name, value]) => `${name}=${value}`), binary()]
}

export const CLOCK_JUMPS: Scenario = {
  name: 'clock-jumps',
  about: 'wall clocks jump by up to an hour, there and back, while nodes are killed and stopped',
  needs: ['faketime'],
  seconds: 25,
  weight: 1,
  run: (run) => {
    for (const place of [0, 1, 2]) writeFileSync(clockOf(run, place), '+0')
    const command = (place: number): readonly string[] =>
      under({
        FAKETIME_TIMESTAMP_FILE: clockOf(run, place),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1', // A monotonic clock that goes back is no clock.
      })
    return inArena(run, { flags: () => TINY, command }, async (arena) => {
      await Promise.all([jump(run), strikeOn(arena, [KILL, PAUSE])])
    })
  },
}

function clockOf(run: Run, place: number): string {
  return join(run.folder, `clock-${place}`)
}

async function jump(run: Run): Promise<void> {
  while (!run.isOver) {
    const [place, offset] = [run.random(3), run.oneOf(JUMPS_S)]
    run.note(`the clock of node ${place} is off by ${offset} s`)
    run.count('clock_faults')
    writeFileSync(clockOf(run, place), offset < 0 ? `${offset}` : `+${offset}`)
    await Bun.sleep(run.between(50, 1_500))
  }
}

export const CLOCK_DRIFT: Scenario = {
  name: 'clock-drift',
  about: 'clocks run 5 % fast and 5 % slow while links fail and nodes are killed and stopped',
  needs: ['faketime'],
  seconds: 25,
  weight: 1,
  run: (run) => {
    run.count('clock_faults', RATES.length)
    const command = drifting
    const options = { flags: () => TINY, command, proxied: true, rate: RATE }
    return inArena(run, options, (arena) => strikeOn(arena, [KILL, PAUSE, LINKS]))
  },
}

function drifting(place: number): readonly string[] {
  return under({ FAKETIME: `+0 x${RATES[place] ?? 1}` })
}
