/**
 * What is worked out about config values: syntax, schemas, diffs. Pure and synchronous: whoever runs
 * it bounds its time (`value-worker.ts`).
 *
 * @module
 */
import { createTwoFilesPatch } from 'diff'
import type { DiffSide, ValueJob, ValueVerdict } from '../http/config/value-checks.ts'
import { parseValue } from './value-parse.ts'
import { compileSchema, violations } from './value-schema.ts'

export { warmUp } from './value-schema.ts'

/** Two texts that are further apart, or take longer, are told as wholly different. */
const EDITS_MAX = 5_000
const DIFF_MS = 500
/** Lines around a change, as everybody's diffs have them. */
const CONTEXT_LINES = 3

export function runValueJob(job: ValueJob): ValueVerdict {
  switch (job.type) {
    case 'value':
      return judgeValue(job)
    case 'schema': {
      const compiled = compileSchema(job.schema)
      return typeof compiled === 'string' ? malformed(compiled) : { type: 'fine' }
    }
    case 'survey': {
      const { schema, values } = job
      const failing = values.filter((value) => {
        return judgeValue({ ...value, type: 'value', schemas: [schema] }).type !== 'fine'
      })
      return { type: 'surveyed', failing: failing.map(({ key }) => key) }
    }
    case 'diff':
      return { type: 'diff', text: unifiedDiff(job.from, job.to) }
  }
}

function malformed(message: string): ValueVerdict {
  return { type: 'malformed', message }
}

function judgeValue({
  format,
  value,
  schemas,
}: Extract<ValueJob, { type: 'value' }>): ValueVerdict {
  const parsed = parseValue(format, value, { whole: schemas.length > 0 })
  if (!parsed.ok) return malformed(parsed.message)
  if (schemas.length === 0) return { type: 'fine' }
  if (format !== 'json' && format !== 'yaml') {
    const message = `must be JSON or YAML, since the schema on "${schemas[0]?.prefix}" is for it`
    return { type: 'violates', issues: [{ path: '', message }] }
  }
  for (const { prefix, schema } of schemas) {
    const issues = violations(schema, parsed.value)
    if (issues.length === 0) continue
    const told = issues.map(({ path, message }) => ({
      path,
      message: `${message} (schema on "${prefix}")`,
    }))
    return { type: 'violates', issues: told }
  }
  return { type: 'fine' }
}

/** Empty where both are the same. */
function unifiedDiff(from: DiffSide, to: DiffSide): string {
  if (from.text === to.text) return ''
  const options = { context: CONTEXT_LINES, maxEditLength: EDITS_MAX, timeout: DIFF_MS }
  const patch = createTwoFilesPatch(from.name, to.name, from.text, to.text, '', '', options)
  if (patch === undefined) return replaced(from, to)
  return patch.replace(/^=+\n/, '').replace(/^(---|\+\+\+) (.*?)\t$/gm, '$1 $2')
}

/** All of the one goes, all of the other comes. */
function replaced(from: DiffSide, to: DiffSide): string {
  const [gone, come] = [linesOf(from.text), linesOf(to.text)]
  const header = [`--- ${from.name}`, `+++ ${to.name}`, `@@ -${rangeOf(gone)} +${rangeOf(come)} @@`]
  const body = [...gone.map((line) => `-${line}`), ...come.map((line) => `+${line}`)]
  return `${[...header, ...body].join('\n')}\n`
}

function rangeOf({ length }: readonly string[]): string {
  return `${length === 0 ? 0 : 1},${length}`
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}
