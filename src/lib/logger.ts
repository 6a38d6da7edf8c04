export type LogFields = Readonly<Record<string, string | number | boolean | null>>

/** Structured logging: a short fixed message, and what differs in fields. No secrets, no values. */
export interface Logger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** For tests and for what has nothing to say. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}
