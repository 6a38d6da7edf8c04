/**
 * Text for a terminal. What comes from elsewhere (a log field, another node's answer) is escaped,
 * so that it can neither move the cursor nor pretend to be another line.
 */

/** Control characters (Cc), line separators, and the marks that turn text around. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** `text` on one line, every control character written as `\u….` */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Columns padded to the widest cell, two spaces between them, no space at the end of a line. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))))
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - widthOf(cell)))
      .join(GAP)
      .trimEnd()
  return rows.map(line).join('\n')
}

const GAP = '  '
/** A column that gives way keeps so much of itself. */
const CELL_COLUMNS_MIN = 12
/** Marks that stand over the character before them, and joiners. */
const NARROW = /^(?:\p{Mn}|\p{Me}|\u{200b}|\u{200d})$/u
/** What East Asian Width calls wide or full, and emoji. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]$/u

/** How many columns of a terminal `text` takes. */
export function widthOf(text: string): number {
  let columns = 0
  for (const char of text) columns += NARROW.test(char) ? 0 : WIDE.test(char) ? 2 : 1
  return columns
}

/**
 * The same rows, in `columns` or less where that can be: the widest column gives way, a column at a
 * time. `columns` null: as wide as they are.
 */
export function fitted(
  rows: readonly (readonly string[])[],
  columns: number | null,
): readonly (readonly string[])[] {
  if (columns === null) return rows
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))))
  }
  let surplus = widths.reduce((sum, width) => sum + width + GAP.length, -GAP.length) - columns
  while (surplus > 0) {
    const [widest = 0, second = 0] = widths.toSorted((a, b) => b - a)
    if (widest <= CELL_COLUMNS_MIN) break
    const give = Math.min(surplus, Math.max(1, widest - Math.max(second, CELL_COLUMNS_MIN)))
    widths[widths.indexOf(widest)] = widest - give
    surplus -= give
  }
  return rows.map((row) => row.map((cell, i) => cutTo(cell, widths[i] ?? 0)))
}

function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let cut = ''
  let width = 1 // Of the sign that something is missing.
  for (const char of text) {
    width += widthOf(char)
    if (width > columns) break
    cut += char
  }
  return `${cut}…`
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'blue' | 'magenta' | 'cyan'

const CODES: Record<Style, number> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
}

/** Colours `text`, or leaves it alone. */
export type Paint = (style: Style, text: string) => string

export const plain: Paint = (_, text) => text

export const coloured: Paint = (style, text) => `\u001b[${CODES[style]}m${text}\u001b[0m`

/** Another program's answer, made fit for a terminal. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return '-'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}
