/** Scenarios that are one nemesis, or several at once, striking again and again. */
import { TINY } from '../../support/cluster.ts'
import { inArena, type ArenaOptions } from '../arena.ts'
import type { Nemesis } from '../nemeses/nemesis.ts'
import { KILL } from '../nemeses/kill.ts'
import { LINKS } from '../nemeses/links.ts'
import { MEMBERS } from '../nemeses/members.ts'
import { PAUSE } from '../nemeses/pause.ts'
import { RESTART } from '../nemeses/restart.ts'
import { SNAPSHOT } from '../nemeses/snapshot.ts'
import type { Scenario } from '../scenario.ts'
import { strikeOn } from './strike-on.ts'

interface Plan extends Pick<Scenario, 'name' | 'about' | 'seconds' | 'weight'> {
  /** Each list strikes by itself, beside the others. */
  readonly nemeses: readonly (readonly Nemesis[])[]
  readonly options?: ArenaOptions
}

const FLAGS = { flags: () => TINY }
const MIXED_DRIVERS = {
  flags: (place: number) => (place === 1 ? [...TINY, '--sqlite', 'sql.js'] : TINY),
}

const PLANS: readonly Plan[] = [
  {
    name: 'kills',
    about: 'SIGKILL of the leader, of followers, of all at once, and again while they start',
    seconds: 40,
    weight: 4,
    nemeses: [[KILL]],
    options: MIXED_DRIVERS,
  },
  {
    name: 'pauses',
    about: 'SIGSTOP of the leader, of followers and of all, up to far beyond lease and TTLs',
    seconds: 25,
    weight: 1,
    nemeses: [[PAUSE]],
  },
  {
    name: 'restarts',
    about: 'SIGTERM, one node after the other',
    seconds: 15,
    weight: 1,
    nemeses: [[RESTART]],
    options: MIXED_DRIVERS,
  },
  {
    name: 'links',
    about: 'links between nodes delay, lose, stall one way, part, swallow, break within a frame',
    seconds: 30,
    weight: 2,
    nemeses: [[LINKS]],
    options: { proxied: true },
  },
  {
    name: 'members',
    about: 'nodes join, are removed, replaced and wiped, and one that is killed meanwhile',
    seconds: 30,
    weight: 1,
    nemeses: [[MEMBERS], [KILL, PAUSE]],
    options: FLAGS,
  },
  {
    name: 'snapshots',
    about: 'a node comes back after the log was cut, and is killed while it fetches and installs',
    seconds: 25,
    weight: 1,
    nemeses: [[SNAPSHOT]],
    options: MIXED_DRIVERS,
  },
  {
    name: 'everything',
    about: 'kills, pauses, restarts, links, members and snapshots at the same time',
    seconds: 60,
    weight: 3,
    nemeses: [[KILL, PAUSE, RESTART, MEMBERS, SNAPSHOT], [KILL, PAUSE], [LINKS]],
    options: { ...FLAGS, size: 5, proxied: true },
  },
]

export const UNDER_LOAD: readonly Scenario[] = PLANS.map(
  ({ name, about, seconds, weight, nemeses, options = {} }) => ({
    name,
    about,
    seconds,
    weight,
    needs: [],
    run: (run) =>
      inArena(run, options, async (arena) => {
        await Promise.all(nemeses.map((group) => strikeOn(arena, group)))
      }),
  }),
)
