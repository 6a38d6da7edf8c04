import type { Logger, LogFields } from '../../lib/logger.ts'
import { clip } from '../../lib/text.ts'
import { plain, printable } from '../text.ts'
import type { Paint, Style } from '../text.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** `auto`: text for a terminal, JSON lines for everything else. */
export const LOG_FORMATS = ['auto', 'text', 'json'] as const

export interface LoggerOptions {
  /** Messages below it are dropped. */
  readonly level: LogLevel
  readonly format: 'text' | 'json'
  readonly write: (line: string) => void
  /** Wall time in milliseconds, for display only. */
  readonly now: () => number
  readonly paint?: Paint
  /** Fields of every line, such as the node's id. JSON only: a terminal shows one node. */
  readonly fields?: LogFields
}

/** Longer values are cut: a line has a bound. */
const VALUE_CHARS_MAX = 2_048

const STYLES: Record<LogLevel, Style> = {
  debug: 'dim',
  info: 'green',
  warn: 'yellow',
  error: 'red',
}

/** A logger that writes one line per message, with every control character escaped. */
export function createLogger(options: LoggerOptions): Logger {
  const lowest = LOG_LEVELS.indexOf(options.level)
  const line = options.format === 'json' ? jsonLine : textLine
  const at = (level: LogLevel) => {
    if (LOG_LEVELS.indexOf(level) < lowest) return () => {}
    return (message: string, fields: LogFields = {}) => {
      options.write(`${line(options, level, message, fields)}\n`)
    }
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function jsonLine(
  options: LoggerOptions,
  level: LogLevel,
  message: string,
  fields: LogFields,
): string {
  const time = new Date(options.now()).toISOString()
  const record: Record<string, LogFields[string]> = { time, level, message: cut(message) }
  Object.assign(record, options.fields)
  for (const [name, value] of Object.entries(fields)) {
    // A field must not pass itself off as the time, the level or the node of its line.
    const key = Object.hasOwn(record, name) ? `${name}_` : name
    record[key] = typeof value === 'string' ? cut(value) : value
  }
  return printable(JSON.stringify(record)) // What JSON leaves raw is escaped as JSON would.
}

function textLine(
  options: LoggerOptions,
  level: LogLevel,
  message: string,
  fields: LogFields,
): string {
  const paint = options.paint ?? plain
  const time = new Date(options.now()).toISOString().slice(11, 23)
  const shown = Object.entries(fields).map(([name, value]) => {
    return ` ${paint('dim', `${printable(name)}=`)}${textValue(value)}`
  })
  const head = `${paint('dim', time)} ${paint(STYLES[level], level.toUpperCase().padEnd(5))}`
  return `${head} ${printable(cut(message))}${shown.join('')}`
}

function textValue(value: LogFields[string]): string {
  if (typeof value !== 'string') return String(value)
  const text = cut(value)
  const simple = /^[^\s"=\\]+$/.test(text) && printable(text) === text
  return simple ? text : printable(JSON.stringify(text))
}

function cut(text: string): string {
  return clip(text, VALUE_CHARS_MAX)
}
