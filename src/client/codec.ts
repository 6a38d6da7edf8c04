/** Bytes of a configuration value, and what a program sees of them. */

export interface Codec {
  decode(bytes: Uint8Array, contentType: string): unknown
  encode(value: unknown): string | Uint8Array
  /** Of what `encode` makes; where it is left out, the node goes by the key's extension. */
  readonly contentType?: string
}

const strict = new TextDecoder('utf-8', { fatal: true })

/** By itself: JSON is parsed, text is a string, the rest bytes. What is written is JSON. */
export const byType: Codec = {
  contentType: 'application/json',
  encode: (value) => JSON.stringify(value),
  decode: (bytes, contentType) => {
    const type = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
    if (type === 'application/json' || type.endsWith('+json'))
      return JSON.parse(strict.decode(bytes))
    return type.startsWith('text/') || /\b(yaml|toml|xml)$/.test(type)
      ? strict.decode(bytes)
      : bytes
  },
}

/** Strings, as they are. */
export const text: Codec = {
  contentType: 'text/plain; charset=utf-8',
  encode: String,
  decode: (bytes) => strict.decode(bytes),
}
