/**
 * A unified diff of two texts, line by line (Myers, "An O(ND) Difference Algorithm", 1986): the
 * fewest lines taken out and put in.
 */

/** Lines around a change that show where it is. */
const CONTEXT = 3
/** Past so many changed lines the rest is shown as taken out and put in whole: a bound on time. */
const EDITS_MAX = 2_000

/** One line of the longer story: in both texts, only in the first, or only in the second. */
interface Edit {
  readonly sign: ' ' | '-' | '+'
  readonly line: string
}

/** Lines of the diff without line ends; none where the texts are equal. */
export function unifiedDiff(
  from: { readonly name: string; readonly text: string },
  to: { readonly name: string; readonly text: string },
): readonly string[] {
  if (from.text === to.text) return []
  const edits = editsOf(linesOf(from.text), linesOf(to.text))
  return [`--- ${from.name}`, `+++ ${to.name}`, ...hunks(edits)]
}

/** The last line keeps a mark where it has no line end, so that this is a difference too. */
function linesOf(text: string): readonly string[] {
  if (text === '') return []
  const lines = text.split('\n')
  if (lines.at(-1) === '') return lines.slice(0, -1)
  return [...lines.slice(0, -1), `${lines.at(-1)}\n\\ No newline at end of file`]
}

function editsOf(a: readonly string[], b: readonly string[]): readonly Edit[] {
  let start = 0
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1
  let end = 0
  while (
    end < a.length - start &&
    end < b.length - start &&
    a[a.length - 1 - end] === b[b.length - 1 - end]
  ) {
    end += 1
  }
  return [
    ...a.slice(0, start).map((line): Edit => ({ sign: ' ', line })),
    ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
    ...a.slice(a.length - end).map((line): Edit => ({ sign: ' ', line })),
  ]
}

/** Walks the edit graph: diagonal k = x − y; after d edits, `furthest[k]` is how far x came. */
function middle(a: readonly string[], b: readonly string[]): readonly Edit[] {
  const max = Math.min(a.length + b.length, EDITS_MAX)
  const furthest = new Map<number, number>([[1, 0]])
  const trace: Map<number, number>[] = []
  for (let d = 0; d <= max; d++) {
    trace.push(new Map(furthest))
    for (let k = -d; k <= d; k += 2) {
      let x = isDown(furthest, k, d) ? at(furthest, k + 1) : at(furthest, k - 1) + 1
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1
      furthest.set(k, x)
      if (x >= a.length && x - k >= b.length) return backtrack(trace, a, b)
    }
  }
  const out = a.map((line): Edit => ({ sign: '-', line }))
  return [...out, ...b.map((line): Edit => ({ sign: '+', line }))]
}

function backtrack(
  trace: readonly ReadonlyMap<number, number>[],
  a: readonly string[],
  b: readonly string[],
): readonly Edit[] {
  const edits: Edit[] = []
  let x = a.length
  let y = b.length
  for (let d = trace.length - 1; d >= 0; d--) {
    const furthest = trace[d] ?? new Map<number, number>()
    const before = isDown(furthest, x - y, d) ? x - y + 1 : x - y - 1
    const fromX = d === 0 ? 0 : at(furthest, before)
    const fromY = d === 0 ? 0 : fromX - before
    while (x > fromX && y > fromY) {
      edits.push({ sign: ' ', line: a[--x] ?? '' })
      y -= 1
    }
    if (d === 0) break
    if (x === fromX) edits.push({ sign: '+', line: b[--y] ?? '' })
    else edits.push({ sign: '-', line: a[--x] ?? '' })
  }
  return edits.toReversed()
}

/** Whether the step onto diagonal `k` puts a line in, rather than taking one out. */
function isDown(furthest: ReadonlyMap<number, number>, k: number, d: number): boolean {
  return k === -d || (k !== d && at(furthest, k - 1) < at(furthest, k + 1))
}

function at(furthest: ReadonlyMap<number, number>, k: number): number {
  return furthest.get(k) ?? 0
}

/** Changes with their context; those that are near each other share a hunk. */
function hunks(edits: readonly Edit[]): readonly string[] {
  const lines: string[] = []
  let start = edits.findIndex(({ sign }) => sign !== ' ')
  while (start >= 0) {
    let end = start + 1
    for (let i = end; i < edits.length && i < end + 2 * CONTEXT + 1; i++) {
      if (edits[i]?.sign !== ' ') end = i + 1
    }
    lines.push(...hunk(edits, Math.max(0, start - CONTEXT), Math.min(edits.length, end + CONTEXT)))
    const next = edits.slice(end).findIndex(({ sign }) => sign !== ' ')
    start = next < 0 ? -1 : end + next
  }
  return lines
}

function hunk(edits: readonly Edit[], from: number, to: number): readonly string[] {
  const before = (sign: '-' | '+') =>
    edits.slice(0, from).filter((edit) => inText(edit, sign)).length
  const within = edits.slice(from, to)
  const range = (sign: '-' | '+') => {
    const count = within.filter((edit) => inText(edit, sign)).length
    // An empty range is named by the line before it, as diff does.
    return `${sign}${before(sign) + (count === 0 ? 0 : 1)}${count === 1 ? '' : `,${count}`}`
  }
  const body = within.flatMap(({ sign, line }) => `${sign}${line}`.split('\n'))
  return [`@@ ${range('-')} ${range('+')} @@`, ...body]
}

/** Whether the line stands in the first text ('-'), or in the second. */
function inText({ sign }: Edit, of: '-' | '+'): boolean {
  return sign === ' ' || sign === of
}
