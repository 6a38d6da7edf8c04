import type { Mutant } from './mutant.ts'

export const STAGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'stage-seen-outside',
    source: 'one condition of a rule is enough (Nacos gray rules; API.md "config-stages")',
    file: 'src/state/stages/rule.ts',
    find: 'conditions.every(({ label',
    replace: 'conditions.some(({ label',
  },
  {
    name: 'percent-not-stable',
    source: 'who is in a share depends on how large it is (API.md: a stable percentage)',
    file: 'src/state/stages/rule.ts',
    find: 'bucketOf(name, instance) < share',
    replace: '(bucketOf(name, instance) + share) % BUCKETS < share',
  },
  {
    name: 'promote-loses-bytes',
    source: 'a promotion makes a version of other bytes than were staged (API.md "promote")',
    file: 'src/state/stages/stage.ts',
    find: 'const value = stagedValue(context, stored)',
    replace: 'const value = stagedValue(context, stored).slice(1)',
  },
  {
    name: 'promote-undoes-a-fix',
    source: 'a promotion overwrites what was released to all after the staging (stage.ts)',
    file: 'src/state/stages/stage.ts',
    find: 'command.expect ?? { match: [stored.baseVersion], absent: false }',
    replace: 'command.expect',
  },
  {
    name: 'abort-not-told',
    source: 'who loses a staged value is not woken (stage-marks.ts)',
    file: 'src/state/stages/stage.ts',
    find: `comment: null })
    markStage(context, stored)`,
    replace: 'comment: null })',
  },
  {
    name: 'narrowed-rule-not-told',
    source: 'who no longer matches a changed rule is not woken (stage-marks.ts)',
    file: 'src/state/stages/stage.ts',
    find: 'if (stored !== null && stored.rule !== put.rule) markStage(context, stored)',
    replace: '',
  },
  {
    name: 'stage-wakes-outsiders',
    source: 'a stage ends the long polls of callers that it is not for (API.md: no trace)',
    file: 'src/replica/gateway.ts',
    find: 'if (isFenced() || options.current(state) > since) end()',
    replace: 'if (isFenced() || state.revision > since) end()',
  },
  {
    name: 'stage-unheard',
    source: 'a long poll waits for the key alone (DESIGN §6, "Waits")',
    file: 'src/replica/gateway.ts',
    find: 'if (target.also === undefined) return back',
    replace: 'if (target.also !== null) return back',
  },
]
