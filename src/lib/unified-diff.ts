import { formatPatch, OMIT_HEADERS, structuredPatch } from 'diff'

/** Lines around a change that show where it is. */
const CONTEXT_LINES = 3
/** Two texts that are further apart, or take longer, are told as wholly different. */
const EDITS_MAX = 5_000
const TIME_MAX_MS = 500

export interface NamedText {
  readonly name: string
  readonly text: string
}

/** A unified diff, as patch(1) takes it; empty where both texts are the same. */
export function unifiedDiff(from: NamedText, to: NamedText): string {
  if (from.text === to.text) return ''
  const options = { context: CONTEXT_LINES, maxEditLength: EDITS_MAX, timeout: TIME_MAX_MS }
  const found = structuredPatch(from.name, to.name, from.text, to.text, '', '', options)
  const patch = found ?? replacing(from, to)
  return `--- ${from.name}\n+++ ${to.name}\n${formatPatch(patch, OMIT_HEADERS)}`
}

type Patch = ReturnType<typeof structuredPatch>

/** All of the one goes, all of the other comes. */
function replacing(from: NamedText, to: NamedText): Patch {
  const [gone, come] = [linesOf(from.text), linesOf(to.text)]
  const hunk = {
    oldStart: 1,
    oldLines: gone.length,
    newStart: 1,
    newLines: come.length,
    lines: [...signed('-', gone, from.text), ...signed('+', come, to.text)],
  }
  const names = { oldFileName: from.name, newFileName: to.name }
  return { ...names, oldHeader: '', newHeader: '', hunks: [hunk] }
}

function linesOf(text: string): readonly string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines
}

function signed(sign: '-' | '+', lines: readonly string[], text: string): readonly string[] {
  const told = lines.map((line) => sign + line)
  const isEnded = text === '' || text.endsWith('\n')
  return isEnded ? told : [...told, '\\ No newline at end of file']
}
