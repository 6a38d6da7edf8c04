/**
 * What is worked out about config values: syntax, schemas, diffs. Pure and synchronous: whoever runs
 * it bounds its time (`value-worker.ts`).
 *
 * @module
 */
import type { ValueJob, ValueVerdict } from '../http/config/value-checks.ts'
import { unifiedDiff } from '../lib/unified-diff.ts'
import { parseValue } from './value-parse.ts'
import { compileSchema, violations } from './value-schema.ts'

export { warmUp } from './value-schema.ts'

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
