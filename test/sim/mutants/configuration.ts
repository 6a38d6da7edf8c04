import type { Mutant } from './mutant.ts'

export const CONFIGURATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'rollback-deletes',
    source: 'a rollback takes the key away (Nacos does, of a first version)',
    file: 'src/state/config/rollback.ts',
    find: 'const record = writeValue(context, { put, stored, created: current === null })',
    replace: `if (stored.deleted === 0) deleteConfig(context, stored, by)
  const record = context.tables.config.find(ns, key) as typeof stored
  if (record.deleted === 1) return context.ok(false, null)`,
    more: [
      {
        file: 'src/state/config/rollback.ts',
        find: "import { configMeta, etag, writeValue } from './config.ts'",
        replace: "import { configMeta, deleteConfig, etag, writeValue } from './config.ts'",
      },
    ],
  },
  {
    name: 'rollback-wrong-bytes',
    source: 'a rollback takes the version beside the one that was asked for',
    file: 'src/state/config/rollback.ts',
    find: 'const old = context.tables.chain.version(stored, to)',
    replace: `const old =
    context.tables.chain.version(stored, Math.min(to + 1, stored.version)) ??
    context.tables.chain.version(stored, to)`,
  },
  {
    name: 'version-restarts-after-delete',
    source:
      'a key that was deleted begins at version 1 again: an old If-Match fits (API.md "version")',
    file: 'src/state/config/config.ts',
    find: 'const version = (stored?.version ?? 0) + 1',
    replace: 'const version = (stored === null || stored.deleted === 1 ? 0 : stored.version) + 1',
  },
  {
    name: 'trim-takes-live-value',
    source: 'compaction takes the newest version of a key',
    file: 'src/state/config/history.ts',
    find: 'const surplus = record.version - versions',
    replace: 'const surplus = record.version - Math.min(versions, 0)',
    more: [
      {
        file: 'src/state/config/history.ts',
        find: "  assert(surplus < record.version, 'at least one version is kept')\n",
        replace: '',
      },
      {
        file: 'src/state/config/history.ts',
        find: "const next = present(tables.chain.first(record, upTo + 1), 'newer versions are kept')",
        replace: 'const next = tables.chain.first(record, upTo + 1) ?? tables.chain.newest(record)',
      },
    ],
  },
  {
    name: 'trim-by-local-clock',
    source: 'a node trims by its own clock, and states differ (DESIGN §1.2)',
    file: 'src/state/config/history-marks.ts',
    find: 'const clusterMs = Math.floor(context.clusterMs)',
    replace: 'const clusterMs = Math.floor(performance.now())',
  },
  {
    name: 'trim-ignores-age',
    source: 'what is younger than the feed is trimmed with what is older',
    file: 'src/state/config/history-marks.ts',
    find: 'const mark = tables.marks.newestAt(Math.floor(clusterMs))',
    replace: 'const mark = tables.marks.newest()',
  },
  {
    name: 'trim-newest-first',
    source: 'a key is trimmed from the wrong end: what is left is not its newest part',
    file: 'src/state/config/history.ts',
    find: 'for (const old of older.toReversed()) {',
    replace: 'for (const old of older) {',
  },
  {
    name: 'schema-not-verified',
    source: 'apply trusts the schemas that the edge saw (DESIGN §8)',
    file: 'src/state/guarded.ts',
    find: 'if (changed !== undefined) return schemaChanged(context, changed)',
    replace: '',
  },
]
