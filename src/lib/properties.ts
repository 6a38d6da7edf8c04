/**
 * Java properties files, as `java.util.Properties.load` reads them: nearly every text is one. What
 * is wrong is an escape `\uXXXX` without its four hex digits, and a U+0000, which no file means.
 * Null for a good one, else what is wrong with it.
 */
export function propertiesProblem(text: string): string | null {
  const lines = text.split(/\r\n|\n|\r/)
  let isContinued = false
  for (const [i, line] of lines.entries()) {
    const isComment: boolean = !isContinued && /^[ \t\f]*[#!]/.test(line)
    const column: number | null = isComment ? null : strangeAt(line)
    if (column !== null) return `a bad escape or U+0000 at line ${i + 1}, column ${column + 1}`
    isContinued = !isComment && endsInEscape(line)
  }
  return null
}

function strangeAt(line: string): number | null {
  for (let at = 0; at < line.length; at++) {
    if (line[at] === '\0') return at
    if (line[at] !== '\\') continue
    if (line[at + 1] === 'u' && !/^[0-9A-Fa-f]{4}$/.test(line.slice(at + 2, at + 6))) return at
    at += 1 // Whatever comes after a backslash is taken for itself.
  }
  return null
}

/** An odd number of backslashes at the end joins the next line on. */
function endsInEscape(line: string): boolean {
  let count = 0
  while (line[line.length - 1 - count] === '\\') count += 1
  return count % 2 === 1
}
